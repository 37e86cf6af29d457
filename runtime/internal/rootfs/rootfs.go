package rootfs

// What both systems' roots are made of.

import (
	"github.com/netbsd-cells/runcell/oci"
)

// Options say what root to build, and for whom.
type Options struct {
	Plan     *oci.Plan
	Bundle   string
	Source   string // the root file system, without links
	NoPivot  bool   // move the root instead of pivot_root(2); emulator only
	StateDir string
	Record   func(mountPoint string) error // before it is mounted on
	Recorded func() []string
}
