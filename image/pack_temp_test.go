// What a killed Pack leaves, and what the next one does about it.

package image

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestStaleTemporaries(t *testing.T) {
	rootfs := sample(t)
	for _, target := range []string{"img", "img.tar"} {
		dir := t.TempDir()
		path := func(suffix string) string { return filepath.Join(dir, "."+target+".tmp-"+suffix) }
		os.MkdirAll(path("1")+"/blobs/sha256", 0o755)
		os.WriteFile(path("1")+"/blobs/sha256/x", nil, 0o400)
		os.WriteFile(path("2"), []byte("half an archive"), 0o600)
		os.Mkdir(path("3x"), 0o755)
		os.Symlink(rootfs, path("4"))
		os.Mkdir(path("5"), 0o755)
		os.Lchown(path("5"), 12345, 12345)
		os.Mkdir(filepath.Join(dir, ".other.tmp-6"), 0o755)
		name := filepath.Join(dir, target)
		busyDir, err := tempDir(name)
		if err != nil {
			t.Fatal(err)
		}
		busyFile, err := tempFile(name)
		if err != nil {
			t.Fatal(err)
		}
		names := func() (list []string) {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				list = append(list, e.Name())
			}
			return list
		}
		kept := []string{target, filepath.Base(path("3x")), filepath.Base(path("4")), ".other.tmp-6"}
		if os.Geteuid() == 0 {
			kept = append(kept, filepath.Base(path("5"))) // another user's
		}
		for _, busy := range [][]string{{filepath.Base(busyDir.Name()), filepath.Base(busyFile.Name())}, nil} {
			if _, err := Pack(t.Context(), rootfs, name, PackOptions{Tag: "x"}); err != nil {
				t.Fatal(err)
			}
			want := append(slices.Clone(kept), busy...)
			slices.Sort(want)
			if got := names(); !slices.Equal(got, want) {
				t.Errorf("after a pack there are %q; want %q", got, want)
			}
			busyDir.Close()
			busyFile.Close()
		}
	}
}

// The same inside of a layout that images are added to.
func TestStaleInsideALayout(t *testing.T) {
	rootfs, layout := sample(t), filepath.Join(t.TempDir(), "img")
	for _, tag := range []string{"one", "two"} {
		if _, err := Pack(t.Context(), rootfs, layout, PackOptions{Tag: tag}); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(layout, insideTemp+"1"), []byte("half a layer"), 0o644)
		os.WriteFile(filepath.Join(layout, "oci-put-blob1"), []byte("of another tool"), 0o644)
	}
	if _, err := Pack(t.Context(), rootfs, layout, PackOptions{Tag: "three"}); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(layout, "*[0-9]"))
	hidden, _ := filepath.Glob(filepath.Join(layout, ".*"))
	if len(left) != 1 || len(hidden) != 0 {
		t.Errorf("the layout holds %q and %q; want only the other tool's", left, hidden)
	}
}

// The file system is written to the disk once the tree is whole, and before
// the file that says so.
func TestSync(t *testing.T) {
	defer func() { syncFS = syncFileSystem }()
	layout := layoutOf(t, tarOf(t, ent{name: "f", body: "x"}))
	for _, noSync := range []bool{false, true} {
		bundle, calls := filepath.Join(t.TempDir(), "bundle"), 0
		syncFS = func(fd int) error {
			calls++
			if _, err := os.Lstat(filepath.Join(bundle, rootfsName, "f")); err != nil {
				t.Errorf("synced too early: %v", err)
			}
			if _, err := os.Lstat(filepath.Join(bundle, configName)); err == nil {
				t.Errorf("synced too late: the bundle has %s", configName)
			}
			return syncFileSystem(fd)
		}
		if _, err := Unpack(t.Context(), layout, bundle, UnpackOptions{NoSync: noSync}); err != nil {
			t.Fatal(err)
		}
		if (calls == 0) != noSync {
			t.Errorf("NoSync %v: synced %d times", noSync, calls)
		}
	}
}
