package runtime

// What both systems' roots are made of.

import "github.com/netbsd-cells/runcell/oci"

// rootfsOptions say what root to build, and for whom.
type rootfsOptions struct {
	plan     *oci.Plan
	bundle   string
	source   string // the root file system, without links
	noPivot  bool   // move the root instead of pivot_root(2); emulator only
	stateDir string
	record   func(mountPoint string) error // before it is mounted on
	recorded func() []string
}
