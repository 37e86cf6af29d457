// Command adversary tries everything that a kernel offers from inside a cell,
// as its root and as another user, against the host's processes, another cell
// and the machine, and compares what was not refused with a list that has a
// reason for every line. It is the suite SUITE=adversary of the VM harness,
// and wants root and the module on a NetBSD that is there for nothing else:
//
//	adversary [--run REGEXP] [--workdir DIRECTORY]
//
// It prints TAP. The same program is what runs inside the cell; beside it, with
// the suffix -linux, has to be the one of package linux.
package main

import (
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/conformance/adversary/attack"
)

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == attack.Arg {
		err = attack.Main()
	} else {
		err = host(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "adversary:", err)
		os.Exit(2)
	}
}
