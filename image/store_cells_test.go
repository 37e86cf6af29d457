// Bundles whose root file system the store keeps.

package image

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func makeBundle(tb testing.TB, s *Store, name, kind string) (string, *specs.Spec) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "b")
	if _, err := MakeBundle(tb.Context(), s, name, path, BundleOptions{Rootfs: kind, UnpackOptions: UnpackOptions{NoSync: true}}); err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(path + "/config.json")
	if err != nil {
		tb.Fatal(err)
	}
	spec := &specs.Spec{}
	if err := json.Unmarshal(data, spec); err != nil {
		tb.Fatal(err)
	}
	return path, spec
}

func volumeImage(tb testing.TB, s *Store) {
	tb.Helper()
	l := newLayout(tb)
	cfg := v1.Image{Config: v1.ImageConfig{Cmd: []string{"/f"}, Volumes: map[string]struct{}{"/data": {}, "/new/vol": {}}}}
	l.index(l.image(cfg, tarOf(tb,
		ent{name: "f", body: "x", mode: 0o4755, uid: 7}, ent{name: "h", typ: '1', link: "f"}, ent{name: "tmp/", mode: 0o1777},
		ent{name: "run", typ: '2', link: "var/run"}, ent{name: "var/run/"}, ent{name: "data/", uid: 5, gid: 6, mode: 0o750}, ent{name: "data/seed"},
	), tarOf(tb, ent{name: "new/"})))
	if _, err := Import(tb.Context(), s, l.dir, "v", DefaultLimits(), CopyOptions{}); err != nil {
		tb.Fatal(err)
	}
}

func TestBundleCopy(t *testing.T) {
	s := newStore(t)
	volumeImage(t, s)
	one, spec := makeBundle(t, s, "v", RootfsCopy)
	if spec.Root.Readonly || !strings.HasPrefix(spec.Root.Path, s.Path()+"/cells/") {
		t.Errorf("root is %+v", spec.Root)
	}
	want := strings.Join(treeOf(t, spec.Root.Path), "\n")
	// The second one is a copy of the unpacked tree, and the same.
	_, shared := makeBundle(t, s, "v", RootfsShared)
	if got := strings.Join(treeOf(t, shared.Root.Path), "\n"); got != want {
		t.Errorf("the shared tree is\n%s\nwant\n%s", got, want)
	}
	two, second := makeBundle(t, s, "v", RootfsCopy)
	if got := strings.Join(treeOf(t, second.Root.Path), "\n"); got != want || second.Root.Path == spec.Root.Path {
		t.Errorf("the copy %s is\n%s\nwant\n%s", second.Root.Path, got, want)
	}
	var a, b unix.Stat_t
	if unix.Stat(spec.Root.Path+"/f", &a) != nil || unix.Stat(second.Root.Path+"/f", &b) != nil || a.Ino == b.Ino {
		t.Error("two copies have files in common")
	}
	if _, err := MakeBundle(t.Context(), s, "v", one, BundleOptions{Rootfs: RootfsCopy}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a bundle in use was made again: %v", err)
	}
	if _, err := os.Lstat(one + "/config.json"); err != nil {
		t.Errorf("the bundle in use was damaged: %v", err)
	}
	if left, err := s.GC(t.Context(), true); err != nil || len(left) > 1 {
		t.Errorf("gc would remove %v, %v; want at most a lock", left, err)
	}
	for _, path := range []string{one, two} {
		if err := Release(s, path); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there", path)
		}
	}
	if list, _ := os.ReadDir(s.Path() + "/cells"); len(list) != 1 {
		t.Errorf("cells/ has %v; want the shared one's record", list)
	}
}

func TestBundleShared(t *testing.T) {
	s := newStore(t)
	volumeImage(t, s)
	one, spec := makeBundle(t, s, "v", RootfsShared)
	if !spec.Root.Readonly {
		t.Error("the shared root is writable")
	}
	var tmpfs []string
	for _, m := range spec.Mounts {
		if m.Type == "tmpfs" && !strings.HasPrefix(m.Destination, "/dev") {
			tmpfs = append(tmpfs, m.Destination)
		}
		if m.Destination == "/data" && !slices.Contains(m.Options, "uid=5") {
			t.Errorf("/data is mounted with %q; want its owner's", m.Options)
		}
	}
	if want := []string{"/data", "/new/vol", "/tmp", "/var/run"}; !slices.Equal(tmpfs, want) {
		t.Errorf("tmpfs on %q; want %q", tmpfs, want)
	}
	for _, dir := range []string{"proc", "dev", "new/vol"} {
		if fi, err := os.Lstat(spec.Root.Path + "/" + dir); err != nil || !fi.IsDir() {
			t.Errorf("no mount point %s: %v", dir, err)
		}
	}
	two, second := makeBundle(t, s, "v", RootfsShared)
	if second.Root.Path != spec.Root.Path {
		t.Errorf("roots %s and %s; want one", spec.Root.Path, second.Root.Path)
	}
	// In use, it survives its image; afterwards it goes.
	if _, err := s.Remove(t.Context(), "v"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(spec.Root.Path + "/f"); err != nil {
		t.Fatalf("gc removed a root in use: %v", err)
	}
	if err := Release(s, one); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(two) // as a reboot does
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := filesOf(t, s); !slices.Equal(got, []string{"index.json", "oci-layout"}) {
		t.Errorf("the store still holds %q", got)
	}
}

// A bundle that can't be made leaves nothing, not even in the store.
func TestBundleFails(t *testing.T) {
	s := newStore(t)
	importLayers(t, s, "x", tarOf(t, ent{name: "a/../../x"}))
	for _, kind := range []string{RootfsCopy, RootfsShared, "overlay"} {
		path := filepath.Join(t.TempDir(), "b")
		if _, err := MakeBundle(t.Context(), s, "x", path, BundleOptions{Rootfs: kind}); err == nil {
			t.Errorf("%s: no error", kind)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s: the bundle is there", kind)
		}
	}
	for _, dir := range []string{cellsDir, unpackedDir} {
		if list, _ := os.ReadDir(filepath.Join(s.Path(), dir)); len(list) > 0 {
			t.Errorf("%s has %v", dir, list)
		}
	}
}
