package layer_test

// A file that is nearly all hole. The guest of the NetBSD tests has no file system
// that keeps holes.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/pack"
	"golang.org/x/sys/unix"
)

func read(t *testing.T, path string, at int64, n int) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Error(err)
	}
	return string(b)
}

// A file of holes costs what is in it, to pack, to unpack and to compare, and is
// refused by nobody for its size.
func TestHoles(t *testing.T) {
	const size = 60 << 30
	root := t.TempDir()
	sparseFile(t, filepath.Join(root, "big"), size, 0, 5<<30+7, size-30)
	sparseFile(t, filepath.Join(root, "empty"), 1<<30)
	sparseFile(t, filepath.Join(root, "small"), 8<<20)
	for _, path := range []string{"big", "empty"} {
		_ = unix.Setxattr(filepath.Join(root, path), "user.note", []byte("a\x00b"), 0)
		_ = os.Chown(filepath.Join(root, path), 1000, 3_000_000)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // to write them out would take longer
	defer cancel()
	for _, c := range []image.Compression{image.Zstd, image.None} {
		out := filepath.Join(t.TempDir(), "layout")
		if _, err := pack.Pack(ctx, root, "oci:"+out+":x", pack.Options{Compression: c}); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		b := filepath.Join(t.TempDir(), "b")
		if _, err := bundle.Unpack(ctx, out, b, bundle.UnpackOptions{NoSync: true}); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		for _, at := range []int64{0, 5<<30 + 7, size - 30} {
			want := "data at " + strconv.FormatInt(at, 10)
			if got := read(t, filepath.Join(b, "rootfs", "big"), at, len(want)); got != want {
				t.Errorf("%s: %q at %d; want %q", c, got, at, want)
			}
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(b, "rootfs", "big"), &st); err != nil || st.Blocks*512 > 10<<20 {
			t.Errorf("%s: %d bytes on the disk, %v", c, st.Blocks*512, err)
		}
		if err := errors.Join(os.Rename(filepath.Join(b, "rootfs"), filepath.Join(b, "own")), os.Rename(root, filepath.Join(b, "rootfs"))); err != nil {
			t.Fatal(err)
		}
		changes, err := bundle.Diff(ctx, b, bundle.DiffOptions{})
		_ = os.Rename(filepath.Join(b, "rootfs"), root)
		if err != nil || len(changes) > 0 {
			t.Errorf("%s: diff gives %v, %v", c, changes, err)
		}
	}
}
