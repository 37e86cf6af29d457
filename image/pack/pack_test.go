package pack_test

// Packing: what goes in comes out, the same input gives the same bytes, and
// nothing half made takes a final name.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestRoundTrip(t *testing.T) {
	rootfs := imagetest.Sample(t)
	want := strings.Join(imagetest.Tree(t, rootfs), "\n")
	for _, c := range []image.Compression{image.Gzip, image.Zstd, image.None} {
		for _, name := range []string{"oci:" + t.TempDir() + "/img:v1", "oci-archive:" + t.TempDir() + "/img.tar:v1", t.TempDir() + "/plain.tar"} {
			res, err := pack.Pack(t.Context(), rootfs, name, pack.Options{Compression: c})
			if err != nil {
				t.Fatalf("%s, %s: %v", c, name, err)
			}
			b, unpacked, err := story.Unpack(t, name, bundle.UnpackOptions{})
			if err != nil {
				t.Fatalf("%s, %s: %v", c, name, err)
			}
			if got := strings.Join(imagetest.Tree(t, filepath.Join(b, "rootfs")), "\n"); got != want {
				t.Errorf("%s, %s: tree is\n%s\nwas\n%s", c, name, got, want)
			}
			if res.Manifest != unpacked.Manifest || res.Entries != unpacked.Entries {
				t.Errorf("%s, %s: packed %s (%d entries), unpacked %s (%d)", c, name, res.Manifest, res.Entries, unpacked.Manifest, unpacked.Entries)
			}
		}
	}
}

func TestDeterministic(t *testing.T) {
	rootfs := imagetest.Sample(t)
	o := pack.Options{Config: v1.ImageConfig{
		Env: []string{"B=1", "A=2"}, Labels: map[string]string{"x": "1", "a": "2", "m": "3"},
		ExposedPorts: map[string]struct{}{"80": {}, "1": {}, "443": {}},
	}}
	for _, o.Compression = range []image.Compression{image.Gzip, image.Zstd} {
		var first *pack.Result
		for range 3 {
			res, err := pack.Pack(t.Context(), rootfs, filepath.Join(t.TempDir(), "img"), o)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = res
			}
			if res.Manifest != first.Manifest || res.Layer != first.Layer {
				t.Errorf("%s: %s, then %s", o.Compression, first.Manifest, res.Manifest)
			}
		}
	}
}

// Two copies made at different times are the same image with --mtime, and
// with SOURCE_DATE_EPOCH if only newer times differ.
func TestTimes(t *testing.T) {
	at := time.Unix(1_000_000_000, 0)
	var manifests []digest.Digest
	for i := range 2 {
		dir := t.TempDir()
		os.WriteFile(dir+"/f", []byte("x"), 0o644)
		os.Chtimes(dir+"/f", imagetest.Time.Add(time.Duration(i)*time.Hour), imagetest.Time.Add(time.Duration(i)*time.Hour))
		for _, o := range []pack.Options{{MTime: &at}, {Epoch: &at}} {
			name := filepath.Join(t.TempDir(), "img")
			res, err := pack.Pack(t.Context(), dir, name, o)
			if err != nil {
				t.Fatal(err)
			}
			manifests = append(manifests, res.Manifest)
			b, _, err := story.Unpack(t, name, bundle.UnpackOptions{})
			if err != nil {
				t.Fatal(err)
			}
			data, _ := os.ReadFile(filepath.Join(b, "config.json"))
			if !strings.Contains(string(data), `"org.opencontainers.image.created": "2001-09-09T01:46:40Z"`) {
				t.Errorf("%+v: no creation time in %s", o, data)
			}
		}
	}
	if manifests[0] != manifests[2] || manifests[1] != manifests[3] || manifests[0] != manifests[1] {
		t.Errorf("manifests differ: %v", manifests)
	}
}

// An existing layout gets images added; one of the same name gives way.
func TestAddToLayout(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "img")
	if err := os.Mkdir(layout, 0o755); err != nil { // an empty directory is as good as none
		t.Fatal(err)
	}
	for i, tag := range []string{"a", "b", "a"} {
		dir := t.TempDir()
		os.WriteFile(dir+"/"+tag+string(rune('0'+i)), nil, 0o644)
		if _, err := pack.Pack(t.Context(), dir, "oci:"+layout, pack.Options{Tag: tag}); err != nil {
			t.Fatal(err)
		}
		if i == 0 { // what others keep in the index stays
			name := filepath.Join(layout, v1.ImageIndexFile)
			data, _ := os.ReadFile(name)
			os.WriteFile(name, append(data[:len(data)-1], `,"annotations":{"com.example":"kept"}}`...), 0o644)
		}
	}
	for tag, file := range map[string]string{"a": "a2", "b": "b1"} {
		b, _, err := story.Unpack(t, layout+":"+tag, bundle.UnpackOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(b, "rootfs", file)); err != nil {
			t.Errorf("%s: %v", tag, err)
		}
	}
	data, _ := os.ReadFile(filepath.Join(layout, v1.ImageIndexFile))
	if strings.Count(string(data), v1.AnnotationRefName) != 2 || !strings.Contains(string(data), "com.example") {
		t.Errorf("index is %s; want two names and the annotation", data)
	}
	list, _ := filepath.Glob(layout + "/.*")
	more, _ := filepath.Glob(layout + "/blobs/sha256/*tmp*")
	if len(list)+len(more) > 0 {
		t.Errorf("temporary files %v %v", list, more)
	}
}

// Two writers of one layout both get in.
func TestConcurrentPack(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "img")
	rootfs := t.TempDir()
	if _, err := pack.Pack(t.Context(), rootfs, layout, pack.Options{Tag: "first"}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	tags := []string{"a", "b", "c", "d"}
	for _, tag := range tags {
		go func() {
			_, err := pack.Pack(context.Background(), rootfs, layout, pack.Options{Tag: tag})
			done <- err
		}()
	}
	for range tags {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, tag := range tags {
		if _, _, err := story.Unpack(t, layout+":"+tag, bundle.UnpackOptions{}); err != nil {
			t.Error(err)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	whiteouts := t.TempDir()
	os.WriteFile(whiteouts+"/.wh.x", nil, 0o644)
	good := t.TempDir()
	os.Mkdir(good+"/sub", 0o755)
	notLayout := t.TempDir()
	os.WriteFile(notLayout+"/x", nil, 0o644)
	for name, c := range map[string]struct {
		rootfs, image, want string
		o                   pack.Options
	}{
		"whiteout names":       {whiteouts, "img", "mean whiteouts", pack.Options{}},
		"output inside":        {good, "IN/sub/img", "would lie inside", pack.Options{}},
		"output is the rootfs": {good, "IN/img.tar", "would lie inside", pack.Options{}},
		"no rootfs":            {good + "/nothing", "img", "no such file", pack.Options{}},
		"a file":               {good, "oci:FILE", "add to it", pack.Options{}},
		"no layout":            {good, notLayout, "no OCI image layout", pack.Options{}},
		"a directory as tar":   {good, "oci-archive:" + notLayout, "no regular file", pack.Options{}},
		"compression":          {good, "img", "want gzip, zstd or none", pack.Options{Compression: "xz"}},
		"two tags":             {good, "img:a", "give one of them", pack.Options{Tag: "b"}},
		"env":                  {good, "img", "config.Env[0]", pack.Options{Config: v1.ImageConfig{Env: []string{"x"}}}},
		"port":                 {good, "img", "config.ExposedPorts", pack.Options{Config: v1.ImageConfig{ExposedPorts: map[string]struct{}{"x": {}}}}},
		"workdir":              {good, "img", "config.WorkingDir", pack.Options{Config: v1.ImageConfig{WorkingDir: "../x"}}},
		"registry":             {good, "docker://x/y", "no transport", pack.Options{}},
	} {
		dir := t.TempDir()
		os.WriteFile(dir+"/file", []byte("x"), 0o644)
		target := strings.NewReplacer("IN", good, "FILE", dir+"/file").Replace(c.image)
		if target == "img" || target == "img:a" {
			target = dir + "/" + target
		}
		before := strings.Join(imagetest.Tree(t, good), "\n")
		if _, err := pack.Pack(t.Context(), c.rootfs, target, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
		if list, _ := os.ReadDir(dir); len(list) != 1 {
			t.Errorf("%s: it left %v", name, list)
		}
		if after := strings.Join(imagetest.Tree(t, good), "\n"); after != before {
			t.Errorf("%s: the rootfs changed", name)
		}
	}
}

// A failed or interrupted pack leaves neither a new image nor a changed old one.
func TestPackCancel(t *testing.T) {
	rootfs := imagetest.Sample(t)
	parent := t.TempDir()
	for _, name := range []string{"oci:" + parent + "/dir", "oci-archive:" + parent + "/img.tar"} {
		if _, err := pack.Pack(t.Context(), rootfs, name, pack.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	before := strings.Join(imagetest.Tree(t, parent), "\n")
	for _, name := range []string{"oci:" + parent + "/dir", "oci-archive:" + parent + "/img.tar", parent + "/new", parent + "/new.tar"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := pack.Pack(ctx, rootfs, name, pack.Options{Progress: func(int64, int64) { cancel() }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v; want canceled", name, err)
		}
		cancel()
	}
	after := imagetest.Tree(t, parent)
	for i := range after { // an existing layout had a temporary file in it
		if strings.HasPrefix(after[i], "mtime dir ") || strings.HasPrefix(after[i], "mtime . ") {
			after[i] = ""
		}
	}
	for _, line := range strings.Split(before, "\n") {
		if !slices.Contains(after, line) && !strings.HasPrefix(line, "mtime dir ") && !strings.HasPrefix(line, "mtime . ") {
			t.Errorf("changed: %s", line)
		}
	}
	if len(after) != strings.Count(before, "\n")+1 {
		t.Errorf("left behind:\n%s\nwas\n%s", strings.Join(after, "\n"), before)
	}
}

// A file that shrinks while it is read is no image.
func TestShrinkingFile(t *testing.T) {
	dir := t.TempDir()
	f := dir + "/f"
	if err := os.WriteFile(f, make([]byte, 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(dir+"/a", make([]byte, 10), 0o644)
	done := false
	_, err := pack.Pack(t.Context(), dir, filepath.Join(t.TempDir(), "img"), pack.Options{Progress: func(n, _ int64) {
		if !done {
			done = true
			syscall.Truncate(f, 100)
		}
	}})
	if err != nil { // truncated before it was opened: a whole, shorter file
		t.Fatalf("error is %v", err)
	}
}

// Who packs into a new layout while somebody else does so, adds to what is there
// by then.
func TestTwoPacksIntoOneNewLayout(t *testing.T) {
	root := t.TempDir()
	out := filepath.Join(t.TempDir(), "layout")
	begun, first := make(chan struct{}), make(chan error)
	var once sync.Once
	if err := os.WriteFile(filepath.Join(root, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-begun
		_, err := pack.Pack(t.Context(), root, "oci:"+out+":one", pack.Options{Author: "1"})
		first <- err
	}()
	_, err := pack.Pack(t.Context(), root, "oci:"+out+":two", pack.Options{Author: "2", Progress: func(int64, int64) {
		once.Do(func() {
			close(begun)
			if err := <-first; err != nil {
				t.Errorf("the first: %v", err)
			}
		})
	}})
	if err != nil {
		t.Fatalf("the second: %v", err)
	}
	for _, ref := range []string{"one", "two"} {
		if _, _, err := story.Unpack(t, "oci:"+out+":"+ref, bundle.UnpackOptions{}); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Readers of a history take for granted that there are times (nerdctl). They are
// those of the files, so that the same files give the same image.
func TestCreated(t *testing.T) {
	at := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, c := range []struct {
		files []time.Time
		want  time.Time
	}{
		{[]time.Time{at, at.Add(time.Hour + time.Millisecond)}, at.Add(time.Hour)},
		{[]time.Time{time.Unix(-5, 0)}, time.Unix(0, 0)},
		{nil, time.Unix(0, 0)},
	} {
		dir := t.TempDir()
		for i, file := range c.files {
			path := filepath.Join(dir, string(rune('a'+i)))
			write(t, path, "x")
			touch(t, path, file)
		}
		touch(t, dir, time.Unix(0, 0))
		name := filepath.Join(t.TempDir(), "img")
		created(t, name, dir, pack.Options{}, c.want)
		// On top of it: as new as its newest file, and no older than the base.
		path := filepath.Join(dir, "more")
		write(t, path, "x")
		touch(t, path, at)
		touch(t, dir, time.Unix(0, 0))
		want := c.want
		if want.Before(at) {
			want = at
		}
		on := filepath.Join(t.TempDir(), "on")
		created(t, on, dir, pack.Options{Base: name}, want)
		created(t, filepath.Join(t.TempDir(), "same"), dir, pack.Options{Base: on, Author: "x"}, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// created packs, and looks at the times in the image's config.
func created(t *testing.T, name, dir string, o pack.Options, want time.Time) {
	t.Helper()
	if _, err := pack.Pack(t.Context(), dir, name, o); err != nil {
		t.Fatal(err)
	}
	img, _, done, err := store.OpenImage(t.Context(), name, "", manifest.Want{Platform: manifest.HostPlatform(), Limits: image.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	if got := img.Config.Created; got == nil || !got.Equal(want) {
		t.Errorf("%+v: created %v; want %v", o, got, want)
	}
	for _, h := range img.Config.History {
		if h.Created == nil {
			t.Errorf("%+v: the history has no time: %+v", o, h)
		}
	}
}
