package pack_test

// An image under another configuration.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// full is a configuration that has everything.
func full() v1.ImageConfig {
	return v1.ImageConfig{
		User: "1:2", WorkingDir: "/a", StopSignal: "SIGINT", Entrypoint: []string{"/e"}, Cmd: []string{"c"}, Env: []string{"A=1", "B=2", "AA=3"},
		Labels: map[string]string{"a": "1", "b": "2"}, ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}, Volumes: map[string]struct{}{"/v": {}, "/w": {}},
	}
}

func inspect(t *testing.T, s *store.Store, name string) *store.Inspected {
	t.Helper()
	i, err := s.Inspect(name, manifest.Want{Platform: manifest.HostPlatform()})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// plainTree is what every file system can hold: of which files an image is does not
// matter to its configuration.
func plainTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "bin"), 0o755), os.WriteFile(filepath.Join(dir, "bin/sh"), []byte("sh"), 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// set takes the place of what is there, or is added to it; unset comes first; the
// layers, and the image that was, stay what they are.
func TestConfigure(t *testing.T) {
	s := story.NewStore(t)
	created := time.Date(2020, 1, 2, 3, 4, 5, 600, time.UTC)
	if _, err := pack.Pack(t.Context(), plainTree(t), "base:1", pack.Options{Store: s.Path(), MTime: &created, Author: "who", Config: full()}); err != nil {
		t.Fatal(err)
	}
	base := inspect(t, s, "base:1")
	for name, c := range map[string]struct {
		o    pack.ConfigOptions
		want func(c *v1.ImageConfig)
		by   string
	}{
		"cmd":        {pack.ConfigOptions{Set: v1.ImageConfig{Cmd: []string{"x", ""}}}, func(c *v1.ImageConfig) { c.Cmd = []string{"x", ""} }, "cmd"},
		"entrypoint": {pack.ConfigOptions{Set: v1.ImageConfig{Entrypoint: []string{"/x"}}}, func(c *v1.ImageConfig) { c.Entrypoint, c.Cmd = []string{"/x"}, nil }, "entrypoint"},
		"env":        {pack.ConfigOptions{Set: v1.ImageConfig{Env: []string{"A=", "C=4"}}}, func(c *v1.ImageConfig) { c.Env = []string{"B=2", "AA=3", "A=", "C=4"} }, "env"},
		"more": {
			pack.ConfigOptions{Set: v1.ImageConfig{User: "u", WorkingDir: "/b", StopSignal: "SIGTERM", Labels: map[string]string{"a": "x", "c": ""}, ExposedPorts: map[string]struct{}{"81": {}}, Volumes: map[string]struct{}{"/x": {}}}},
			func(c *v1.ImageConfig) {
				c.User, c.WorkingDir, c.StopSignal, c.Labels["a"], c.Labels["c"] = "u", "/b", "SIGTERM", "x", ""
				c.ExposedPorts["81"], c.Volumes["/x"] = struct{}{}, struct{}{}
			},
			"expose, label, stop-signal, user, volume, workdir",
		},
		"members": {
			pack.ConfigOptions{Unset: []string{"env=A", "label=b", "expose=80", "expose=53/udp", "volume=/v"}},
			func(c *v1.ImageConfig) {
				c.Env, c.ExposedPorts = []string{"B=2", "AA=3"}, nil
				delete(c.Labels, "b")
				delete(c.Volumes, "/v")
			},
			"env, expose, label, volume",
		},
		"everything": {pack.ConfigOptions{Unset: slices.DeleteFunc(pack.Fields(), func(f string) bool { return f == "author" })}, func(c *v1.ImageConfig) { *c = v1.ImageConfig{} }, "cmd, entrypoint, env, expose, label, stop-signal, user, volume, workdir"},
		"anew":       {pack.ConfigOptions{Unset: []string{"env", "cmd"}, Set: v1.ImageConfig{Env: []string{"A=9"}}}, func(c *v1.ImageConfig) { c.Env, c.Cmd = []string{"A=9"}, nil }, "cmd, env"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Store = s.Path()
			res, err := pack.Configure(t.Context(), "base:1", "next", c.o)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := pack.Configure(t.Context(), "base:1", "again", c.o); err != nil || again.Manifest != res.Manifest {
				t.Errorf("the same flags again: %+v, %v; want %s", again, err, res.Manifest)
			}
			want := full()
			c.want(&want)
			next := inspect(t, s, "next")
			if got, want := asJSON(t, next.Config.Config), asJSON(t, want); got != want {
				t.Errorf("config is %s\nwant %s", got, want)
			}
			h := next.Config.History
			if last := h[len(h)-1]; len(h) != 2 || !last.EmptyLayer || last.CreatedBy != "runcell image config: "+c.by || !last.Created.Equal(created.Truncate(time.Second)) {
				t.Errorf("history is %s", asJSON(t, h))
			}
			if !slices.Equal(next.Layers, base.Layers) || next.Config.Author != "who" || !next.Config.Created.Equal(*base.Config.Created) || asJSON(t, next.Config.Platform) != asJSON(t, base.Config.Platform) {
				t.Errorf("more has changed: %s\nof %s", asJSON(t, next), asJSON(t, base))
			}
		})
	}
	if got := asJSON(t, inspect(t, s, "base:1")); got != asJSON(t, base) {
		t.Errorf("the image that was has changed: %s", got)
	}
	if v, err := s.Verify(t.Context(), "", store.VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	res, err := pack.Configure(t.Context(), "base:1", "next", pack.ConfigOptions{Store: s.Path(), Epoch: &created, Author: "me", Unset: []string{"author"}})
	if i := inspect(t, s, "next"); err != nil || i.Digest != res.Manifest || i.Config.Author != "me" || !i.Config.Created.Equal(created.Truncate(time.Second)) {
		t.Errorf("with a time and an author: %s, %v", asJSON(t, i.Config), err)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is wrong is told, and nothing gets a name.
// Between two names of one layout nothing is copied. A layer that is damaged there, or
// is a link, is copied from where it is whole.
func TestConfigureCopiesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := pack.Pack(t.Context(), plainTree(t), "oci:"+dir+"/a:1", pack.Options{}); err != nil {
		t.Fatal(err)
	}
	blobs := func(layout string) map[string]os.FileInfo {
		all := map[string]os.FileInfo{}
		list, err := os.ReadDir(filepath.Join(dir, layout, "blobs/sha256"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if all[e.Name()], err = e.Info(); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	configure := func(to string) {
		t.Helper()
		if _, err := pack.Configure(t.Context(), "oci:"+dir+"/a:1", "oci:"+dir+to, pack.ConfigOptions{Set: v1.ImageConfig{User: "7"}}); err != nil {
			t.Fatal(err)
		}
	}
	before := blobs("a")
	configure("/a:2")
	after := blobs("a")
	for name, was := range before {
		if !os.SameFile(was, after[name]) {
			t.Errorf("blob %s was written again", name)
		}
	}
	configure("/b:2")
	for name, fi := range blobs("b") {
		path := filepath.Join(dir, "b/blobs/sha256", name)
		if _, layer := before[name]; !layer {
			continue
		}
		for _, spoil := range []func() error{
			func() error { return os.WriteFile(path, make([]byte, fi.Size()), 0o644) },
			func() error { return errors.Join(os.Rename(path, path+".away"), os.Symlink(name+".away", path)) },
			func() error { return os.Truncate(path, 1) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			configure("/b:2")
			want, err := os.ReadFile(filepath.Join(dir, "a/blobs/sha256", name))
			got, err2 := os.ReadFile(path)
			now, err3 := os.Lstat(path)
			if err := errors.Join(err, err2, err3); err != nil || !bytes.Equal(got, want) || !now.Mode().IsRegular() {
				t.Errorf("a damaged %s: %v, %d bytes; want %d", name, err, len(got), len(want))
			}
		}
	}
}

func TestConfigureRefuses(t *testing.T) {
	s := story.NewStore(t)
	if _, err := pack.Pack(t.Context(), plainTree(t), "base:1", pack.Options{Store: s.Path(), Config: full()}); err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Pack(t.Context(), plainTree(t), "bare:1", pack.Options{Store: s.Path()}); err != nil {
		t.Fatal(err)
	}
	before := story.Names(t, s)
	for _, c := range []struct {
		from, to, unset, want string
		set                   v1.ImageConfig
	}{
		{"base:1", "x", "path", "want one of author, cmd", v1.ImageConfig{}},
		{"base:1", "x", "", "want one of author, cmd", v1.ImageConfig{}},
		{"base:1", "x", "env=PASSWORT", "the image has A, B, AA", v1.ImageConfig{}},
		{"base:1", "x", "label=x", "the image has a, b", v1.ImageConfig{}},
		{"base:1", "x", "expose=53", "the image has 53/udp, 80/tcp", v1.ImageConfig{}},
		{"bare:1", "x", "volume=/v", "the image has none", v1.ImageConfig{}},
		{"base:1", "x", "cmd=c", "cmd has no members", v1.ImageConfig{}},
		{"base:1", "x", "cmd", "want NAME=value", v1.ImageConfig{Env: []string{"A"}}},
		{"base:1", "x", "cmd", "ExposedPorts", v1.ImageConfig{ExposedPorts: map[string]struct{}{"http": {}}}},
		{"nothing", "x", "cmd", "no image", v1.ImageConfig{}},
		{"base:1", "A B", "cmd", "parse image name", v1.ImageConfig{}},
		{"base:1", "oci:" + s.Path(), "cmd", "the store itself", v1.ImageConfig{}},
	} {
		_, err := pack.Configure(t.Context(), c.from, c.to, pack.ConfigOptions{Store: s.Path(), Unset: []string{c.unset}, Set: c.set})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s, unset %q: error is %v; want %q", c.from, c.to, c.unset, err, c.want)
		}
	}
	if got := story.Names(t, s); !slices.Equal(got, before) {
		t.Errorf("names are %q; want %q", got, before)
	}
	if left, err := s.GC(t.Context(), true); err != nil || len(left) > 0 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
}

// What is not known here stays: a health check, what a builder notes, annotations.
// Docker's media types become those of image-spec, and the tree is the same.
func TestConfigureKeepsTheUnknown(t *testing.T) {
	l := imagetest.NewLayout(t)
	layer := imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"})
	d := l.Image(v1.Image{Config: v1.ImageConfig{Cmd: []string{"old"}}}, layer)
	var m v1.Manifest
	var cfg map[string]json.RawMessage
	read := func(d v1.Descriptor, to any) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(l.Dir, verify.BlobName(d.Digest)))
		if err == nil {
			err = json.Unmarshal(data, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read(d, &m)
	read(m.Config, &cfg)
	delete(cfg, "config")
	cfg["Config"] = json.RawMessage(`{"Healthcheck":{"Interval":30000000000},"cmd":["old"],"OnBuild":null}`)
	cfg["moby.buildkit.x"] = json.RawMessage(`{"a":12345678901234567890}`)
	m.Config = l.JSON(manifest.MediaTypeDockerConfig, cfg)
	m.MediaType = manifest.MediaTypeDockerManifest
	m.Layers[0].MediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	m.Layers[0].Annotations = map[string]string{"toc": "1"}
	m.Annotations = map[string]string{"a": "b"}
	l.Index(l.JSON(manifest.MediaTypeDockerManifest, m))

	to := "oci:" + t.TempDir() + "/new:1"
	if _, err := pack.Configure(t.Context(), l.Dir, to, pack.ConfigOptions{Set: v1.ImageConfig{Cmd: []string{"new"}}}); err != nil {
		t.Fatal(err)
	}
	dir, _, _ := strings.Cut(strings.TrimPrefix(to, "oci:"), ":")
	l.Dir = dir
	var x v1.Index
	data, err := os.ReadFile(dir + "/index.json")
	if err != nil || json.Unmarshal(data, &x) != nil || len(x.Manifests) != 1 {
		t.Fatalf("%s, %v", data, err)
	}
	read(x.Manifests[0], &m)
	cfg = nil
	read(m.Config, &cfg)
	if got := string(cfg["config"]); got != `{"Cmd":["new"],"Healthcheck":{"Interval":30000000000},"OnBuild":null}` || cfg["Config"] != nil || string(cfg["moby.buildkit.x"]) != `{"a":12345678901234567890}` {
		t.Errorf("the config is %s", asJSON(t, cfg))
	}
	if m.MediaType != v1.MediaTypeImageManifest || m.Config.MediaType != v1.MediaTypeImageConfig || m.Layers[0].MediaType != v1.MediaTypeImageLayerGzip || m.Layers[0].Annotations["toc"] != "1" || m.Annotations["a"] != "b" {
		t.Errorf("the manifest is %s", asJSON(t, m))
	}
	b, _, err := story.Unpack(t, to, bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, b+"/rootfs", "f f 0644 1")
	// In the same layout, under a name beside it.
	if _, err := pack.Configure(t.Context(), to, "oci:"+dir+":2", pack.ConfigOptions{Unset: []string{"cmd"}}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"1", "2"} {
		if _, _, err := story.Unpack(t, "oci:"+dir+":"+name, bundle.UnpackOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Which of several platforms is said, not guessed; of one alone nothing need be said.
func TestConfigurePlatform(t *testing.T) {
	s := story.NewStore(t)
	add := func(name string, l *imagetest.Layout) {
		t.Helper()
		if _, err := transfer.Import(t.Context(), s, l.Dir, name, transfer.CopyOptions{AllPlatforms: true}); err != nil {
			t.Fatal(err)
		}
	}
	for _, describe := range []bool{true, false} {
		add("one", imagetest.Platforms(t, describe, "plan9/arm64"))
		add("two", imagetest.Platforms(t, describe, "plan9/arm64", "netbsd/amd64"))
		add("variants", imagetest.Platforms(t, describe, "linux/arm/v6", "linux/arm/v7"))
		add("attested", imagetest.Platforms(t, describe, "plan9/arm64", "unknown/unknown"))
		add("nothing", imagetest.Platforms(t, describe, "unknown/unknown"))
		plan9, variant := v1.Platform{OS: "plan9", Architecture: "arm64"}, v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
		for _, c := range []struct {
			name     string
			platform *v1.Platform
			want     string // "": it works
			is       v1.Platform
		}{
			{"one", nil, "", plan9},
			{"attested", nil, "", plan9},
			{"two", nil, `plan9/arm64 ("localhost/two:latest"), netbsd/amd64 ("localhost/two:latest"): choose one with --platform`, plan9},
			{"variants", nil, "--platform", plan9},
			{"nothing", nil, "there is no image, only unknown/unknown", plan9},
			{"two", &plan9, "", plan9},
			{"variants", &variant, "", variant},
			{"one", &variant, "only for plan9/arm64", plan9},
		} {
			_, err := pack.Configure(t.Context(), c.name, "new", pack.ConfigOptions{Store: s.Path(), Platform: c.platform, Set: v1.ImageConfig{User: "1"}})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s, described: %v: error is %v; want %q", c.name, describe, err, c.want)
			}
			if err != nil {
				continue
			}
			if _, _, err := s.Find("new", manifest.Want{Platform: c.is}); err != nil {
				t.Errorf("%s: the result: %v", c.name, err)
			}
			if _, err := s.Remove(t.Context(), false, "new"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An image that costs too much is refused before anything is copied.
func TestConfigureLimits(t *testing.T) {
	l := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}), imagetest.Tar(t, imagetest.Entry{Name: "g"}))
	for _, limits := range []image.Limits{{MaxLayers: 1}, {MaxSize: 100}} {
		to := filepath.Join(t.TempDir(), "new")
		_, err := pack.Configure(t.Context(), l, to, pack.ConfigOptions{Limits: &limits, Unset: []string{"cmd"}})
		if err == nil || !strings.Contains(err.Error(), "--max-") {
			t.Errorf("%+v: error is %v", limits, err)
		}
		if _, err := os.Lstat(to); err == nil {
			t.Errorf("%s is there", fmt.Sprint(to))
		}
	}
}
