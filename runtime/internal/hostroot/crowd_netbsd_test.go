package hostroot

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/oci"
)

// Beside a few mounts nothing is refused.
func TestFewMounts(t *testing.T) {
	k, err := NewKernel()
	if err != nil {
		t.Fatal(err)
	}
	table, err := k.table()
	if err != nil {
		t.Fatal(err)
	}
	takes, err := k.syncer()
	if err != nil || takes < 0 || takes > 100 {
		t.Errorf("%d %%, %v", takes, err)
	}
	if mounts, took, err := k.walk(); mounts != len(table) || took > maxWalk || err != nil {
		t.Errorf("%d mounts in %v, %v; the table has %d", mounts, took, err, len(table))
	}
	if err := checkCrowd(k); err != nil {
		t.Error(err)
	}
}

// With more mounts and more a root is refused some time, which is before the host
// stands still: all of them can be taken away again.
func TestManyMounts(t *testing.T) {
	k, err := NewKernel()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var points []string
	t.Cleanup(func() {
		began := time.Now()
		for _, p := range points {
			if err := k.unmount(p, false); err != nil {
				t.Error(err)
			}
		}
		t.Logf("%d unmounts took %v", len(points), time.Since(began))
	})
	// Slow enough for the kernel's figure to follow, and enough for a fast machine.
	const step, most = 250, 40_000
	for len(points) < most {
		for range step {
			p := filepath.Join(dir, fmt.Sprint(len(points)))
			if err := os.Mkdir(p, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := k.mount(hostMount{kind: fsTmpfs, source: fsTmpfs, tmpfs: oci.Tmpfs{}}, p); err != nil {
				t.Fatal(err)
			}
			points = append(points, p)
		}
		time.Sleep(2 * time.Second)
		if err := checkCrowd(k); err != nil {
			t.Logf("after %d mounts: %v", len(points), err)
			return
		}
	}
	t.Errorf("%d mounts and no refusal", most)
}
