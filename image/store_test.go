// The store: what comes in is whole or not there, whoever is killed or works
// at the same time, and only what nothing needs goes.

package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func newStore(tb testing.TB) *Store {
	tb.Helper()
	return storeAt(tb, filepath.Join(tb.TempDir(), "store"))
}

func storeAt(tb testing.TB, dir string) *Store {
	tb.Helper()
	s, err := OpenStore(tb.Context(), dir, true)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// importLayers puts an image of these layers into the store.
func importLayers(tb testing.TB, s *Store, name string, layers ...[]byte) Copied {
	tb.Helper()
	list, err := Import(tb.Context(), s, layoutOf(tb, layers...), name, DefaultLimits(), CopyOptions{})
	if err != nil || len(list) != 1 {
		tb.Fatalf("import %s: %v, %v", name, list, err)
	}
	return list[0]
}

func storeNames(tb testing.TB, s *Store) []string {
	tb.Helper()
	list, err := s.List()
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, l := range list {
		if l.Error != "" {
			tb.Errorf("%s: %s", l.Name, l.Error)
		}
		names = append(names, l.Name)
	}
	return names
}

// filesOf lists what is in a store, without directories and locks.
func filesOf(tb testing.TB, s *Store) []string {
	tb.Helper()
	var list []string
	err := filepath.WalkDir(s.Path(), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != indexLock {
			rel, _ := filepath.Rel(s.Path(), path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

func TestStoreLife(t *testing.T) {
	s := newStore(t)
	base := tarOf(t, ent{name: "f", body: "base"})
	one := importLayers(t, s, "one", base, tarOf(t, ent{name: "g"}))
	importLayers(t, s, "example.com/x/two:v2", base, tarOf(t, ent{name: "h"}))
	if got := storeNames(t, s); !slices.Equal(got, []string{"example.com/x/two:v2", "localhost/one:latest"}) {
		t.Errorf("names are %q", got)
	}
	for _, name := range []string{"one", "one:latest", "localhost/one", "localhost/one:latest", string(one.Manifest)} {
		b, res, err := unpackIn(t, name, UnpackOptions{Store: s.Path()})
		if err != nil {
			t.Errorf("unpack %s: %v", name, err)
			continue
		}
		if _, err := os.Lstat(filepath.Join(b, "rootfs/g")); err != nil || res.Manifest != one.Manifest {
			t.Errorf("unpack %s gave %s (%v); want %s", name, res.Manifest, err, one.Manifest)
		}
	}
	for _, name := range []string{"docker.io/library/one", "two:v2", "one:v1", "nothing", "", "UPPER"} {
		if _, _, err := unpackIn(t, name, UnpackOptions{Store: s.Path()}); err == nil {
			t.Errorf("unpack %q: no error", name)
		}
	}
	dry, err := s.GC(t.Context(), true)
	if err != nil || len(dry) != 0 {
		t.Errorf("gc of a store in use: %v, %v; want nothing", dry, err)
	}
	if full, err := s.Remove(t.Context(), "one"); err != nil || full != "localhost/one:latest" {
		t.Errorf("Remove(one) = %q, %v", full, err)
	}
	before := filesOf(t, s)
	if dry, err = s.GC(t.Context(), true); err != nil || len(dry) != 3 { // manifest, config, layer; the base is shared
		t.Errorf("dry run: %v, %v; want 3 blobs", dry, err)
	}
	if got := filesOf(t, s); !slices.Equal(got, before) {
		t.Errorf("the dry run changed %q to %q", before, got)
	}
	done, err := s.GC(t.Context(), false)
	if err != nil || !slices.Equal(done, dry) {
		t.Errorf("gc: %v, %v; want what the dry run said", done, err)
	}
	if v, err := s.Verify(t.Context(), "", VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 || v.Blobs != 4 {
		t.Errorf("verify after gc: %+v, %v", v, err)
	}
	if _, err := s.Remove(t.Context(), "example.com/x/two:v2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := filesOf(t, s); !slices.Equal(got, []string{"index.json", "oci-layout"}) {
		t.Errorf("the empty store holds %q", got)
	}
}

// A name moves to the newer image; the older one is garbage then.
func TestNameMoves(t *testing.T) {
	s := newStore(t)
	importLayers(t, s, "x", tarOf(t, ent{name: "old"}))
	second := importLayers(t, s, "x", tarOf(t, ent{name: "new"}))
	list, err := s.List()
	if err != nil || len(list) != 1 || list[0].Digest != second.Manifest {
		t.Errorf("list is %+v, %v; want the second image alone", list, err)
	}
	if left, err := s.GC(t.Context(), false); err != nil || len(left) != 3 {
		t.Errorf("gc: %v, %v; want the first image's 3 blobs", left, err)
	}
}

// Members of index.json that are not known here, and entries of other tools,
// survive a change.
func TestIndexKeepsTheUnknown(t *testing.T) {
	s := newStore(t)
	importLayers(t, s, "x", tarOf(t, ent{name: "f"}))
	data, _ := os.ReadFile(s.Path() + "/index.json")
	data = []byte(strings.Replace(strings.Replace(string(data), `"schemaVersion":2`, `"schemaVersion":2,"com.example":{"a":1}`, 1), `"digest":`, `"zonk":[1],"digest":`, 1))
	if err := os.WriteFile(s.Path()+"/index.json", data, 0o644); err != nil {
		t.Fatal(err)
	}
	importLayers(t, s, "y", tarOf(t, ent{name: "g"}))
	data, _ = os.ReadFile(s.Path() + "/index.json")
	for _, want := range []string{`"com.example":{"a":1}`, `"zonk":[1]`, "localhost/y:latest"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("index.json is %s; want %s in it", data, want)
		}
	}
}

// Many at once: every image arrives whole, and garbage collection takes
// nothing away that is on its way.
func TestStoreConcurrent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	base := tarOf(t, ent{name: "base", body: strings.Repeat("x", 100_000)})
	var layouts []string
	for i := range 8 {
		layouts = append(layouts, layoutOf(t, base, tarOf(t, ent{name: fmt.Sprint("f", i)})))
	}
	run := func(f func(*Store) error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := OpenStore(t.Context(), dir, true)
			if err == nil {
				err = errors.Join(f(s), s.Close())
			}
			errs <- err
		}()
	}
	for i, l := range layouts {
		run(func(s *Store) error {
			_, err := Import(t.Context(), s, l, fmt.Sprint("n", i), DefaultLimits(), CopyOptions{})
			return err
		})
		run(func(s *Store) error { _, err := s.GC(t.Context(), false); return err })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	s := storeAt(t, dir)
	if got := storeNames(t, s); len(got) != len(layouts) {
		t.Errorf("names are %q; want %d", got, len(layouts))
	}
	if v, err := s.Verify(t.Context(), "", VerifyOptions{}); err != nil || len(v.Problems) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// Who waits for the store can be interrupted.
func TestStoreLockInterrupted(t *testing.T) {
	s := newStore(t)
	other := storeAt(t, s.Path())
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.GC(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GC of a store in use: %v; want it to wait for the end of the context", err)
	}
}

// What killed processes leave is never taken for a blob, and is swept.
func TestStoreLeftovers(t *testing.T) {
	s := newStore(t)
	importLayers(t, s, "x", tarOf(t, ent{name: "f"}))
	old := time.Now().Add(-2 * partAge)
	for _, name := range []string{tempStart + "ABC", "sha256-" + strings.Repeat("a", 64), "sha256-" + strings.Repeat("b", 64)} {
		path := filepath.Join(s.Path(), ingestDir, name)
		if err := os.WriteFile(path, []byte("torn"), 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "b") {
			os.Chtimes(path, old, old)
		}
	}
	importLayers(t, s, "y", tarOf(t, ent{name: "f"}))
	if got, _ := os.ReadDir(s.Path() + "/" + ingestDir); len(got) != 1 || got[0].Name() != "sha256-"+strings.Repeat("a", 64) {
		t.Errorf("ingest/ holds %v; want only the young part of a blob", got)
	}
	if left, err := s.GC(t.Context(), false); err != nil || len(left) != 1 || left[0].Kind != kindPartial {
		t.Errorf("gc: %v, %v; want the part", left, err)
	}
}

func TestStoreRefusesOtherDirectories(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/precious", nil, 0o644)
	if s, err := OpenStore(t.Context(), dir, true); err == nil || !strings.Contains(err.Error(), "precious") {
		t.Errorf("OpenStore of a full directory: %v, %v; want an error that names the file", s, err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("the directory holds %v now", list)
	}
	if _, err := OpenStore(t.Context(), dir+"/missing", false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenStore of a missing one: %v", err)
	}
}

func TestVerifyAndRepair(t *testing.T) {
	s := newStore(t)
	layers := [][]byte{tarOf(t, ent{name: "f", body: strings.Repeat("x", 1000)})}
	layout := layoutOf(t, layers...)
	imp := func() {
		t.Helper()
		if _, err := Import(t.Context(), s, layout, "x", DefaultLimits(), CopyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	imp()
	img, _, err := s.Find("x", HostPlatform())
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(s.Path(), blobName(img.Layers[0].Digest))
	data, _ := os.ReadFile(blob)
	data[len(data)/2] ^= 1
	if err := os.WriteFile(blob, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := unpackIn(t, "x", UnpackOptions{Store: s.Path()}); err == nil {
		t.Error("a damaged layer was unpacked")
	}
	for _, o := range []VerifyOptions{{}, {Repair: true}} {
		v, err := s.Verify(t.Context(), "x", o)
		if err != nil || len(v.Problems) != 1 || v.Problems[0].Digest != img.Layers[0].Digest || v.Problems[0].Removed != o.Repair {
			t.Errorf("Verify(%+v) = %+v, %v; want the layer", o, v, err)
		}
	}
	if v, _ := s.Verify(t.Context(), "x", VerifyOptions{}); len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "missing") {
		t.Errorf("after the repair: %+v; want a missing blob", v)
	}
	imp()
	if v, _ := s.Verify(t.Context(), "x", VerifyOptions{}); len(v.Problems) != 0 {
		t.Errorf("after another import: %+v", v)
	}
}

// Garbage collection doesn't guess what a damaged image needs.
func TestGCOfDamagedStore(t *testing.T) {
	s := newStore(t)
	c := importLayers(t, s, "x", tarOf(t, ent{name: "f"}))
	importLayers(t, s, "y", tarOf(t, ent{name: "g"}))
	s.Remove(t.Context(), "y")
	path := filepath.Join(s.Path(), blobName(c.Manifest))
	data, _ := os.ReadFile(path)
	os.WriteFile(path, append(data[:len(data)-1], ' '), 0o644)
	before := filesOf(t, s)
	if _, err := s.GC(t.Context(), false); err == nil {
		t.Error("gc of a damaged store: no error")
	}
	if got := filesOf(t, s); !slices.Equal(got, before) {
		t.Errorf("gc of a damaged store left %q of %q", got, before)
	}
}

// Hostile layouts are refused and leave no name and nothing outside.
func TestImportAttacks(t *testing.T) {
	good := func(l *layoutBuilder) v1.Descriptor { return l.image(v1.Image{}, tarOf(t, ent{name: "f"})) }
	named := func(d v1.Descriptor) v1.Descriptor {
		d.Annotations = map[string]string{v1.AnnotationRefName: "x/y:1"}
		return d
	}
	for name, c := range map[string]struct {
		make func(l *layoutBuilder)
		want string
	}{
		"CVE-2024-3727, a digest that is a path": {func(l *layoutBuilder) {
			d := good(l)
			d.Digest = "sha256:../../../../etc/passwd"
			l.index(named(d))
		}, "malformed digest"},
		"a layer's digest is a path": {func(l *layoutBuilder) {
			m := v1.Manifest{Versioned: schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{{MediaType: v1.MediaTypeImageLayer, Digest: "sha256:../x", Size: 1}}}
			m.Config = l.json(v1.MediaTypeImageConfig, v1.Image{Platform: HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{"sha256:../x"}}})
			l.index(named(l.json(v1.MediaTypeImageManifest, m)))
		}, "malformed digest"},
		"CVE-2021-41190, index and manifest in one": {func(l *layoutBuilder) {
			d := good(l)
			l.index(named(l.json(v1.MediaTypeImageIndex, map[string]any{
				"schemaVersion": 2, "manifests": []v1.Descriptor{d}, "config": d, "layers": []v1.Descriptor{d},
			})))
		}, "could be read as two kinds"},
		"CVE-2021-41190, another type than announced": {func(l *layoutBuilder) {
			d := good(l)
			d.MediaType = v1.MediaTypeImageIndex
			l.index(named(d))
		}, ""},
		"size and descriptor differ": {func(l *layoutBuilder) {
			d := good(l)
			d.Size++
			l.index(named(d))
		}, "its descriptor says"},
		"a huge manifest": {func(l *layoutBuilder) {
			d := l.blob(v1.MediaTypeImageManifest, []byte(strings.Repeat(" ", maxJSON+1)))
			l.index(named(d))
		}, "at most"},
		"a negative size": {func(l *layoutBuilder) {
			d := good(l)
			d.Size = -1
			l.index(named(d))
		}, ""},
		"an index that lists itself nested too deep": {func(l *layoutBuilder) {
			d := good(l)
			for range maxNesting + 2 {
				d = l.json(v1.MediaTypeImageIndex, v1.Index{Versioned: schema2, Manifests: []v1.Descriptor{d}})
			}
			l.index(named(d))
		}, "indexes within indexes"},
		"a name that is a path": {func(l *layoutBuilder) {
			d := good(l)
			d.Annotations = map[string]string{v1.AnnotationRefName: "../../etc/passwd:1"}
			l.index(d)
		}, "parse image name"},
		"content that does not match": {func(l *layoutBuilder) {
			d := good(l)
			l.write(blobName(d.Digest), []byte(strings.Repeat("x", int(d.Size))))
			l.index(named(d))
		}, ""},
		"a blob that is a link out of the layout": {func(l *layoutBuilder) {
			d := good(l)
			os.Remove(filepath.Join(l.dir, blobName(d.Digest)))
			os.Symlink("/etc/passwd", filepath.Join(l.dir, blobName(d.Digest)))
			l.index(named(d))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			around := canary(t)
			s := storeAt(t, filepath.Join(around, "in", "bundle"))
			before := outside(treeOf(t, around))
			l := newLayout(t)
			c.make(l)
			for _, all := range []bool{false, true} {
				_, err := Import(t.Context(), s, l.dir, "", DefaultLimits(), CopyOptions{AllPlatforms: all})
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("all platforms: %v: error is %v; want %q", all, err, c.want)
				}
			}
			if names := storeNames(t, s); len(names) != 0 {
				t.Errorf("the store has %q", names)
			}
			if after := outside(treeOf(t, around)); after != before {
				t.Errorf("the tree around changed:\n%s\nwas\n%s", after, before)
			}
		})
	}
}

func TestImportPlatforms(t *testing.T) {
	l := platforms(t, true, "linux/amd64", "linux/arm64", "netbsd/amd64")
	s := newStore(t)
	p, _ := ParsePlatform("netbsd/amd64")
	if _, err := Import(t.Context(), s, l.dir, "x", DefaultLimits(), CopyOptions{Platform: p}); err != nil {
		t.Fatal(err)
	}
	i, err := s.Inspect("x", p)
	if err != nil || i.Config.OS != "netbsd" || len(i.Layers) != 1 {
		t.Errorf("Inspect = %+v, %v; want the NetBSD image", i, err)
	}
	other, _ := ParsePlatform("linux/arm64")
	var missing *PlatformError
	if _, err := s.Inspect("x", other); !errors.As(err, &missing) {
		t.Errorf("Inspect for another platform: %v", err)
	}
	if _, err := Import(t.Context(), s, l.dir, "x", DefaultLimits(), CopyOptions{AllPlatforms: true}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []v1.Platform{p, other} {
		if i, err := s.Inspect("x", p); err != nil || i.Config.Architecture != p.Architecture {
			t.Errorf("Inspect for %s = %+v, %v", platformName(p), i, err)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 1 && len(list) != 3 {
		t.Errorf("List = %+v, %v", list, err)
	}
	if v, err := s.Verify(t.Context(), "x", VerifyOptions{}); err != nil || len(v.Problems) > 0 {
		t.Errorf("Verify = %+v, %v", v, err)
	}
}

func TestImportNames(t *testing.T) {
	l := newLayout(t)
	a, b := l.image(v1.Image{}, tarOf(t, ent{name: "a"})), l.image(v1.Image{}, tarOf(t, ent{name: "b"}))
	a.Annotations = map[string]string{v1.AnnotationRefName: "v1", containerdName: "docker.io/library/a:v1"}
	b.Annotations = map[string]string{v1.AnnotationRefName: "quay.io/x/b:2"}
	l.index(a, b)
	s := newStore(t)
	if _, err := Import(t.Context(), s, l.dir, "", DefaultLimits(), CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := storeNames(t, s); !slices.Equal(got, []string{"docker.io/library/a:v1", "quay.io/x/b:2"}) {
		t.Errorf("names are %q", got)
	}
	if _, err := Import(t.Context(), s, l.dir, "c", DefaultLimits(), CopyOptions{}); err == nil || !strings.Contains(err.Error(), "several images") {
		t.Errorf("two images under one name: %v", err)
	}
	if _, err := Import(t.Context(), s, "oci:"+l.dir+":v1", "c", DefaultLimits(), CopyOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := Import(t.Context(), s, "oci:"+l.dir+":v1", "c@"+string(a.Digest), DefaultLimits(), CopyOptions{}); err == nil {
		t.Error("a digest was taken for a new name")
	}
}

// dockerArchiveOf is what "docker save" wrote for many years, with a layer
// that occurs twice as a link.
func dockerArchiveOf(tb testing.TB, change func(m *dockerImage, files map[string]ent)) string {
	tb.Helper()
	layer := tarOf(tb, ent{name: "f", body: "x"})
	second := tarOf(tb, ent{name: "g", body: "y"})
	cfg, _ := json.Marshal(v1.Image{Platform: HostPlatform(), RootFS: v1.RootFS{
		Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer), digest.FromBytes(second), digest.FromBytes(layer)},
	}})
	m := dockerImage{Config: "cfg.json", RepoTags: []string{"busybox:1", "quay.io/b/b:2"}, Layers: []string{"1/layer.tar", "2/layer.tar", "3/layer.tar"}}
	files := map[string]ent{
		"cfg.json": {name: "cfg.json", body: string(cfg)}, "1/layer.tar": {name: "1/layer.tar", body: string(layer)},
		"2/layer.tar": {name: "2/layer.tar", body: string(compressed(tb, second, Gzip))},
		"3/layer.tar": {name: "3/layer.tar", typ: '2', link: "../1/layer.tar"},
	}
	if change != nil {
		change(&m, files)
	}
	list, _ := json.Marshal([]dockerImage{m})
	entries := []ent{{name: "manifest.json", body: string(list)}}
	for _, n := range []string{"cfg.json", "1/layer.tar", "2/layer.tar", "3/layer.tar"} {
		entries = append(entries, files[n])
	}
	path := filepath.Join(tb.TempDir(), "docker.tar")
	if err := os.WriteFile(path, tarOf(tb, entries...), 0o644); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestImportDockerArchive(t *testing.T) {
	s := newStore(t)
	path := dockerArchiveOf(t, nil)
	if _, err := Import(t.Context(), s, "docker-archive:"+path, "", DefaultLimits(), CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := storeNames(t, s); !slices.Equal(got, []string{"docker.io/library/busybox:1", "quay.io/b/b:2"}) {
		t.Errorf("names are %q", got)
	}
	b, _, err := unpackIn(t, "busybox:1", UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, b+"/rootfs", "f f 0644 1", "g f 0644 1")
	for name, c := range map[string]struct {
		change func(m *dockerImage, files map[string]ent)
		want   string
	}{
		"a layer of other content": {func(_ *dockerImage, f map[string]ent) { f["1/layer.tar"] = ent{name: "1/layer.tar", body: "z"} }, "rootfs.diff_ids says"},
		"a layer that is missing":  {func(m *dockerImage, _ map[string]ent) { m.Layers[0] = "/etc/passwd" }, "no such file"},
		"a link out of it": {func(_ *dockerImage, f map[string]ent) {
			f["3/layer.tar"] = ent{name: "3/layer.tar", typ: '2', link: "/etc/passwd"}
		}, "not exist"},
		"a link to itself": {func(_ *dockerImage, f map[string]ent) {
			f["3/layer.tar"] = ent{name: "3/layer.tar", typ: '2', link: "layer.tar"}
		}, "not exist"},
		"fewer layers":          {func(m *dockerImage, _ map[string]ent) { m.Layers = m.Layers[:1] }, "1 layers"},
		"a name that is a path": {func(m *dockerImage, _ map[string]ent) { m.RepoTags = []string{"../x:1"} }, "parse image name"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			_, err := Import(t.Context(), s, "docker-archive:"+dockerArchiveOf(t, c.change), "", DefaultLimits(), CopyOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "not exist") {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			if got := storeNames(t, s); len(got) != 0 {
				t.Errorf("the store has %q", got)
			}
		})
	}
}

func TestParseName(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		in, want string
		short    bool
	}{
		{"busybox", "docker.io/library/busybox:latest", true},
		{"busybox:1", "docker.io/library/busybox:1", true},
		{"a/b", "docker.io/a/b:latest", true},
		{"docker.io/a", "docker.io/library/a:latest", false},
		{"index.docker.io/a/b", "docker.io/a/b:latest", false},
		{"localhost/a:1", "localhost/a:1", false},
		{"localhost:5000/a", "localhost:5000/a:latest", false},
		{"[::1]:5000/a", "[::1]:5000/a:latest", false},
		{"quay.io/a/b/c:x@sha256:" + hex, "quay.io/a/b/c@sha256:" + hex, false},
		{"a@sha256:" + hex, "docker.io/library/a@sha256:" + hex, true},
	} {
		n, short, err := ParseName(c.in)
		if err != nil || n.String() != c.want || short != c.short {
			t.Errorf("ParseName(%q) = %s, %v, %v; want %s, %v", c.in, n, short, err, c.want, c.short)
		}
	}
	for _, s := range []string{"", "A", "a:", "a@", "a@sha256:12", "a@md5:" + hex[:32], hex, "../a", "a//b", "/a", "a b", "a\x00", "a@sha384:" + hex + hex[:32], strings.Repeat("a", 300)} {
		if n, _, err := ParseName(s); err == nil {
			t.Errorf("ParseName(%q) = %s; want an error", s, n)
		}
	}
}

// FuzzName: what parses is a name that parses to the same, and no path.
func FuzzName(f *testing.F) {
	for _, s := range []string{"busybox", "a/b:c", "localhost:1/x", "x@sha256:" + strings.Repeat("a", 64), "../x", "a:b@c", "[::1]/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, _, err := ParseName(s)
		if err != nil {
			return
		}
		full := n.String()
		if strings.Contains(full, "..") && strings.Contains("/"+full+"/", "/../") || strings.ContainsAny(full, " \x00\n\\") {
			t.Fatalf("ParseName(%q) = %q", s, full)
		}
		again, short, err := ParseName(full)
		if err != nil || again != n || short {
			t.Fatalf("ParseName(%q) = %q; again %q, %v, %v", s, full, again, short, err)
		}
	})
}
