package layout_test

// What a killed Pack leaves, and what the next one does about it.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/kmod/flock"
)

func TestStaleTemporaries(t *testing.T) {
	rootfs := imagetest.Sample(t)
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
		busyDir, err := layout.TempDir(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		busyFile, err := layout.TempFile(t.Context(), name)
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
			if _, err := pack.Pack(t.Context(), rootfs, name, pack.Options{Tag: "x"}); err != nil {
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
	rootfs, img := imagetest.Sample(t), filepath.Join(t.TempDir(), "img")
	for _, tag := range []string{"one", "two"} {
		if _, err := pack.Pack(t.Context(), rootfs, img, pack.Options{Tag: tag}); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(img, layout.InsideTemp+"1"), []byte("half a layer"), 0o644)
		os.WriteFile(filepath.Join(img, "oci-put-blob1"), []byte("of another tool"), 0o644)
	}
	if _, err := pack.Pack(t.Context(), rootfs, img, pack.Options{Tag: "three"}); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(img, "*[0-9]"))
	hidden, _ := filepath.Glob(filepath.Join(img, ".*"))
	if len(left) != 1 || len(hidden) != 0 {
		t.Errorf("the layout holds %q and %q; want only the other tool's", left, hidden)
	}
}

// Whoever waits for another one's layout can be stopped.
func TestWaitEnds(t *testing.T) {
	img := filepath.Join(t.TempDir(), "img")
	if _, err := pack.Pack(t.Context(), t.TempDir(), img, pack.Options{Tag: "one"}); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := flock.Lock(t.Context(), int(held.Fd()), flock.Exclusive); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	defer time.AfterFunc(20*time.Millisecond, func() { stop(stopped) }).Stop()
	if _, err := layout.Create(ctx, reference.Place{Transport: reference.LayoutDir, Path: img}, ""); !errors.Is(err, stopped) {
		t.Errorf("error is %v; want %v", err, stopped)
	}
}
