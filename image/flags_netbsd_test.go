package image

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

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
		if bits := knownFlags(&st); bits != 0 {
			list = append(list, path[len(rootfs):]+" "+flagNames(bits))
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
func kept(t *testing.T, s *Store, name string) (bundle, rootfs string) {
	t.Helper()
	bundle, _, err := unpackIn(t, name, UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dir, err := os.Open(bundle)
		if err != nil {
			t.Error(err)
			return
		}
		defer dir.Close()
		tree, err := openTree(dir)
		if err != nil {
			t.Error(err)
			return
		}
		defer tree.Close()
		if err := tree.remove(rootfsName); err != nil {
			t.Errorf("remove a tree with immutable files: %v", err)
		}
	})
	return bundle, filepath.Join(bundle, rootfsName)
}

func wantChanges(t *testing.T, bundle string, want ...string) {
	t.Helper()
	list, err := Diff(t.Context(), bundle, DiffOptions{})
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
	s := newStore(t)
	if _, err := Import(t.Context(), s, flagsLayers(t), "base:1", DefaultLimits(), CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	all := []string{" nodump", "/d uchg", "/d/f schg", "/d/hard schg"}
	bundle, rootfs := kept(t, s, "base:1")
	if got := flagsIn(t, rootfs); !slices.Equal(got, all) {
		t.Fatalf("flags are %q; want %q", got, all)
	}
	if err := os.WriteFile(rootfs+"/d/f", nil, 0o644); err == nil {
		t.Error("an immutable file was written")
	}
	wantChanges(t, bundle)

	pack := func(name string, o PackOptions) []string {
		o.Store = s.Path()
		if _, err := Pack(t.Context(), rootfs, name, o); err != nil {
			t.Fatal(err)
		}
		_, again := kept(t, s, name)
		return flagsIn(t, again)
	}
	if got := pack("copy:1", PackOptions{}); !slices.Equal(got, all) {
		t.Errorf("packed and unpacked, flags are %q; want %q", got, all)
	}
	for _, path := range []string{"/d", "/d/f"} {
		if err := unix.Chflags(rootfs+path, 0); err != nil {
			t.Fatal(err)
		}
	}
	wantChanges(t, bundle, "/d flags", "/d/f flags", "/d/hard flags")
	if got := pack("next:1", PackOptions{Base: "base:1"}); !slices.Equal(got, all[:1]) {
		t.Errorf("without those that were taken away, flags are %q; want %q", got, all[:1])
	}
}
