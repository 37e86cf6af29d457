package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// TestReleaseWithoutStore: a store that went first, as a disk does that is taken
// out, keeps no container from being deleted.
func TestReleaseWithoutStore(t *testing.T) {
	for _, emptied := range []bool{false, true} {
		dir := t.TempDir()
		store, layout, bundle := dir+"/store", "oci:"+dir+"/img:v1", dir+"/bundle"
		for _, args := range [][]string{
			{"pack", "--cmd", "/bin/web", imageRootfs(t), layout}, {"import", "--store", store, layout, "web"}, {"bundle", "--store", store, "web", bundle},
		} {
			if _, stderr, status := runImage(append([]string{"image"}, args...)...); status != 0 {
				t.Fatal(stderr)
			}
		}
		if err := os.RemoveAll(store); err != nil {
			t.Fatal(err)
		}
		if emptied {
			if err := os.Mkdir(store, 0o700); err != nil { // the disk's mount point
				t.Fatal(err)
			}
		}
		if _, stderr, status := runImage("image", "release", bundle); status != 0 || !strings.Contains(stderr, "is gone") {
			t.Errorf("release: status %d, %q; want it done, and said", status, stderr)
		}
		if _, err := os.Lstat(bundle); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the bundle is still there: %v", err)
		}
	}
}
