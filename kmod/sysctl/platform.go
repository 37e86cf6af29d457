package sysctl

// Whose programs this kernel runs.

import (
	"fmt"
	"runtime"
)

const ctlEmul = 12 // <sys/sysctl.h>

// narrow are the 32-bit ports whose programs a 64-bit kernel can run.
var narrow = [...]struct{ wide, narrow string }{{"amd64", "386"}, {"arm64", "arm"}}

// platforms lists them as image-spec does, the kernel's own first. An emulation
// of Linux shows as a node of its own below emul (compat_linux(8)). The kernel
// doesn't tell if it was built with COMPAT_NETBSD32, as all GENERIC ones are.
func platforms(k kernel) ([]string, error) {
	nodes, err := query(k, []int32{ctlEmul})
	if err != nil {
		return nil, fmt.Errorf("look up sysctl emul: %w", err)
	}
	list := []string{"netbsd/" + runtime.GOARCH}
	if _, ok := nodes["linux"]; ok {
		list = append(list, "linux/"+runtime.GOARCH)
	}
	for _, n := range narrow {
		if n.wide != runtime.GOARCH {
			continue
		}
		list = append(list, "netbsd/"+n.narrow)
		if _, ok := nodes["linux32"]; ok {
			list = append(list, "linux/"+n.narrow)
		}
	}
	return list, nil
}
