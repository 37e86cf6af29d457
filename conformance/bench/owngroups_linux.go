package main

// The control group of the bench, for what others make.

import (
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/conformance/owned"
)

// ownName is of what has to have a name on the whole machine: containerd's
// namespace, and the control group above the containers of others.
var ownName = fmt.Sprintf("runcell-bench-%d-own", os.Getpid())

// sweepGroups removes what is left of the control group with our name. Where a
// hierarchy is not mounted, tools make a directory of files in its place.
func sweepGroups() {
	owned.RemoveCgroups([]string{ownName})
	for _, dir := range owned.Cgroups([]string{ownName}) {
		_ = os.RemoveAll(dir)
	}
}
