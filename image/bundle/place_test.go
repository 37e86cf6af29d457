package bundle_test

// A bundle in a directory of somebody else, who swaps names meanwhile.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
)

// Whoever can write to the directory above can put something else in the bundle's
// place at any time. Nothing is made, changed or removed there, and no bundle that
// is not the one made is called whole.
func TestSwappedBundle(t *testing.T) {
	layout := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(1 << 20)}))
	for name, swap := range map[string]func(path, victim string) error{
		"a link":      func(path, victim string) error { return os.Symlink(victim, path) },
		"a directory": func(path, victim string) error { return os.Rename(victim, path) },
		"nothing":     func(string, string) error { return nil },
	} {
		for _, fails := range []bool{false, true} {
			above := t.TempDir()
			path, victim := filepath.Join(above, "b"), filepath.Join(above, "victim")
			if err := os.Mkdir(victim, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{"image.json", "config.json", ".config.json.tmp"} {
				if err := os.WriteFile(filepath.Join(victim, f), []byte("precious"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before := strings.Join(imagetest.Tree(t, victim), "\n")
			swapped := false
			_, err := bundle.Unpack(t.Context(), layout, path, bundle.UnpackOptions{Strict: fails, Progress: func(int64, int64) {
				if swapped {
					return
				}
				swapped = true
				if err := os.Rename(path, filepath.Join(above, "moved")); err != nil {
					t.Error(err)
				}
				if err := swap(path, victim); err != nil {
					t.Error(err)
				}
			}})
			if err == nil || !fails && !strings.Contains(err.Error(), "was replaced while it was used") {
				t.Errorf("%s: error is %v", name, err)
			}
			at := victim
			if name == "a directory" {
				at = path
			}
			if after := strings.Join(imagetest.Tree(t, at), "\n"); after != before {
				t.Errorf("%s: what was put there is\n%s\nwas\n%s", name, after, before)
			}
			if left, _ := filepath.Glob(filepath.Join(above, "moved", "*")); len(left) > 0 {
				t.Errorf("%s: the bundle is left as %q", name, left)
			}
		}
	}
}

// Another user's link leads anywhere; one's own is followed.
func TestLinkAsBundle(t *testing.T) {
	layout := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	above, elsewhere := t.TempDir(), t.TempDir()
	link := filepath.Join(above, "b")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Unpack(t.Context(), layout, link, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "another user's link") {
		t.Errorf("another user's link: %v", err)
	}
	if err := os.Lchown(link, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Unpack(t.Context(), layout, link, bundle.UnpackOptions{}); err != nil {
		t.Errorf("our own link: %v", err)
	}
	imagetest.WantTree(t, filepath.Join(elsewhere, "rootfs"), "f f 0644 0")
}
