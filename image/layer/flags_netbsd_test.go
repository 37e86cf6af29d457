package layer_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// flagsIn lists the files below rootfs that have flags.
func flagsIn(tb testing.TB, rootfs string) (list []string) {
	tb.Helper()
	err := filepath.WalkDir(rootfs, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if bits := layer.KnownFlags(&st); bits != 0 {
			list = append(list, path[len(rootfs):]+" "+layer.FlagNames(bits))
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// kept unpacks an image that the test's end can remove.
func kept(t *testing.T, s *store.Store, name string) (b, rootfs string) {
	t.Helper()
	b, _, err := story.Unpack(t, name, bundle.UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dir, err := os.Open(b)
		if err != nil {
			t.Error(err)
			return
		}
		defer dir.Close()
		tree, err := inroot.OpenTree(dir)
		if err != nil {
			t.Error(err)
			return
		}
		defer tree.Close()
		if err := tree.Remove("rootfs"); err != nil {
			t.Errorf("remove a tree with immutable files: %v", err)
		}
	})
	return b, filepath.Join(b, "rootfs")
}

func wantChanges(t *testing.T, b string, want ...string) {
	t.Helper()
	list, err := bundle.Diff(t.Context(), b, bundle.DiffOptions{})
	var got []string
	for _, c := range list {
		for _, what := range c.What {
			got = append(got, c.Path+" "+what)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("changes are %q, %v; want %q", got, err, want)
	}
}

// What a layer says of flags is what the files get, what diff compares with,
// and what pack keeps.
func TestKeepsFileFlags(t *testing.T) {
	s := story.NewStore(t)
	if _, err := transfer.Import(t.Context(), s, flagsLayers(t), "base:1", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	all := []string{" nodump", "/d uchg", "/d/f schg", "/d/hard schg"}
	b, rootfs := kept(t, s, "base:1")
	if got := flagsIn(t, rootfs); !slices.Equal(got, all) {
		t.Fatalf("flags are %q; want %q", got, all)
	}
	if err := os.WriteFile(rootfs+"/d/f", nil, 0o644); err == nil {
		t.Error("an immutable file was written")
	}
	wantChanges(t, b)

	packed := func(name string, o pack.Options) []string {
		o.Store = s.Path()
		if _, err := pack.Pack(t.Context(), rootfs, name, o); err != nil {
			t.Fatal(err)
		}
		_, again := kept(t, s, name)
		return flagsIn(t, again)
	}
	if got := packed("copy:1", pack.Options{}); !slices.Equal(got, all) {
		t.Errorf("packed and unpacked, flags are %q; want %q", got, all)
	}
	for _, path := range []string{"/d", "/d/f"} {
		if err := unix.Chflags(rootfs+path, 0); err != nil {
			t.Fatal(err)
		}
	}
	wantChanges(t, b, "/d flags", "/d/f flags", "/d/hard flags")
	if got := packed("next:1", pack.Options{Base: "base:1"}); !slices.Equal(got, all[:1]) {
		t.Errorf("without those that were taken away, flags are %q; want %q", got, all[:1])
	}
}
