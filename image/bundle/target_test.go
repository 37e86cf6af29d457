package bundle_test

// Where a bundle is made.

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
)

// What is in the bundle's place is never touched.
func TestTargets(t *testing.T) {
	layout := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a directory with a file": {func(p string) error { os.Mkdir(p, 0o755); return os.WriteFile(p+"/x", nil, 0o644) }, "is not empty"},
		"a bundle": {func(p string) error {
			os.MkdirAll(p+"/rootfs", 0o755)
			return os.WriteFile(p+"/config.json", nil, 0o644)
		}, "is not empty"},
		"an interrupted bundle":      {func(p string) error { return os.MkdirAll(p+"/rootfs/x", 0o755) }, "as an interrupted unpack leaves it"},
		"another user's directory":   {func(p string) error { return errors.Join(os.Mkdir(p, 0o755), os.Chown(p, 65534, 65534)) }, "belongs to another user"},
		"a file":                     {func(p string) error { return os.WriteFile(p, nil, 0o644) }, "not a directory"},
		"a link to nothing":          {func(p string) error { return os.Symlink("nowhere", p) }, "no such file"},
		"a parent that is not there": {func(p string) error { return os.Remove(filepath.Dir(p)) }, "no such file"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "sub", "b")
		os.Mkdir(filepath.Dir(path), 0o755)
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		before := strings.Join(imagetest.Tree(t, dir), "\n")
		if _, err := bundle.Unpack(t.Context(), layout, path, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
		if after := strings.Join(imagetest.Tree(t, dir), "\n"); after != before {
			t.Errorf("%s: it changed:\n%s\nwas\n%s", name, after, before)
		}
	}
	// What is half made is not for others, whatever the mode of its directory.
	const mode = 0o755
	empty := t.TempDir()
	if err := os.Chmod(empty, mode); err != nil {
		t.Fatal(err)
	}
	look := func(int64, int64) {
		if fi, err := os.Stat(empty); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("while it is filled, an empty directory has mode %v, %v; want 0700", fi.Mode(), err)
		}
	}
	if _, err := bundle.Unpack(t.Context(), layout, empty, bundle.UnpackOptions{Progress: look}); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(empty, "config.json")); err != nil || !json.Valid(data) {
		t.Errorf("an empty directory: config.json: %v", err)
	}
	if fi, err := os.Stat(empty); err != nil || fi.Mode().Perm() != mode {
		t.Errorf("an empty directory has mode %v now, %v; want %v", fi.Mode(), err, mode)
	}
	fresh := filepath.Join(t.TempDir(), "b")
	if _, err := bundle.Unpack(t.Context(), layout, fresh, bundle.UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(fresh); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the new bundle has mode %v, %v; want 0700: its set-id files are not for others", fi.Mode(), err)
	}
}
