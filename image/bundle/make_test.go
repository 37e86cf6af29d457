package bundle_test

// Bundles whose root file system the store keeps.

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

func volumeImage(tb testing.TB, s *store.Store) {
	tb.Helper()
	l := imagetest.NewLayout(tb)
	cfg := v1.Image{Config: v1.ImageConfig{Cmd: []string{"/f"}, Volumes: map[string]struct{}{"/data": {}, "/new/vol": {}}}}
	l.Index(l.Image(cfg, imagetest.Tar(tb,
		imagetest.Entry{Name: "f", Body: "x", Mode: 0o4755, UID: 7}, imagetest.Entry{Name: "h", Type: '1', Link: "f"}, imagetest.Entry{Name: "tmp/", Mode: 0o1777},
		imagetest.Entry{Name: "run", Type: '2', Link: "var/run"}, imagetest.Entry{Name: "var/run/"}, imagetest.Entry{Name: "data/", UID: 5, GID: 6, Mode: 0o750}, imagetest.Entry{Name: "data/seed"},
	), imagetest.Tar(tb, imagetest.Entry{Name: "new/"})))
	if _, err := transfer.Import(tb.Context(), s, l.Dir, "v", transfer.CopyOptions{}); err != nil {
		tb.Fatal(err)
	}
}

func TestBundleCopy(t *testing.T) {
	s := story.NewStore(t)
	volumeImage(t, s)
	one, spec := story.MakeBundle(t, s, "v", bundle.RootfsCopy)
	if spec.Root.Readonly || !strings.HasPrefix(spec.Root.Path, s.Path()+"/cells/") {
		t.Errorf("root is %+v", spec.Root)
	}
	want := strings.Join(imagetest.Tree(t, spec.Root.Path), "\n")
	// The second one is a copy of the unpacked tree, and the same.
	_, shared := story.MakeBundle(t, s, "v", bundle.RootfsShared)
	if got := strings.Join(imagetest.Tree(t, shared.Root.Path), "\n"); got != want {
		t.Errorf("the shared tree is\n%s\nwant\n%s", got, want)
	}
	two, second := story.MakeBundle(t, s, "v", bundle.RootfsCopy)
	if got := strings.Join(imagetest.Tree(t, second.Root.Path), "\n"); got != want || second.Root.Path == spec.Root.Path {
		t.Errorf("the copy %s is\n%s\nwant\n%s", second.Root.Path, got, want)
	}
	var a, b unix.Stat_t
	if unix.Stat(spec.Root.Path+"/f", &a) != nil || unix.Stat(second.Root.Path+"/f", &b) != nil || a.Ino == b.Ino {
		t.Error("two copies have files in common")
	}
	if _, err := bundle.Make(t.Context(), s, "v", one, bundle.MakeOptions{Rootfs: bundle.RootfsCopy}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a bundle in use was made again: %v", err)
	}
	if _, err := os.Lstat(one + "/config.json"); err != nil {
		t.Errorf("the bundle in use was damaged: %v", err)
	}
	if left, err := s.GC(t.Context(), true); err != nil || len(left) > 1 {
		t.Errorf("gc would remove %v, %v; want at most a lock", left, err)
	}
	for _, path := range []string{one, two} {
		if err := bundle.Release(s, path); err != nil {
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
	s := story.NewStore(t)
	volumeImage(t, s)
	one, spec := story.MakeBundle(t, s, "v", bundle.RootfsShared)
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
	two, second := story.MakeBundle(t, s, "v", bundle.RootfsShared)
	if second.Root.Path != spec.Root.Path {
		t.Errorf("roots %s and %s; want one", spec.Root.Path, second.Root.Path)
	}
	// In use, it survives its image; afterwards it goes.
	if _, err := s.Remove(t.Context(), false, "v"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(spec.Root.Path + "/f"); err != nil {
		t.Fatalf("gc removed a root in use: %v", err)
	}
	if err := bundle.Release(s, one); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(two) // as a reboot does
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := story.Files(t, s); !slices.Equal(got, []string{"index.json", "oci-layout"}) {
		t.Errorf("the store still holds %q", got)
	}
}

// A bundle that can't be made leaves nothing, not even in the store.
func TestBundleFails(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "a/../../x"}))
	for _, kind := range []string{bundle.RootfsCopy, bundle.RootfsShared, "overlay"} {
		path := filepath.Join(t.TempDir(), "b")
		if _, err := bundle.Make(t.Context(), s, "x", path, bundle.MakeOptions{Rootfs: kind}); err == nil {
			t.Errorf("%s: no error", kind)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s: the bundle is there", kind)
		}
	}
	for _, dir := range []string{"cells", store.UnpackedDir} {
		if list, _ := os.ReadDir(filepath.Join(s.Path(), dir)); len(list) > 0 {
			t.Errorf("%s has %v", dir, list)
		}
	}
}
