package clients

// What is known to differ, and why.

import "github.com/netbsd-cells/runcell/conformance/harness"

var differences = harness.Expected{
	"runcell": {
		"podman/shared-pid": "a cell's processes see their own cell only: a namespace with a path is refused",
	},
	"crun": {
		"go-runc/top":      "ps takes no arguments after the id",
		"go-runc/stats":    "there is no command events",
		"go-runc/features": "the command features came with a later version",
	},
}
