package sysctl

// Whose programs this kernel runs.

import (
	"fmt"
)

const ctlEmul = 12 // <sys/sysctl.h>

// narrow are the 32-bit ports whose programs a 64-bit kernel can run.
var narrow = [...]struct{ wide, narrow string }{{"amd64", "386"}, {"arm64", "arm"}}

// platforms lists them as image-spec does, those of the kernel's own machine,
// arch, first. An emulation
// of Linux shows as a node of its own below emul (compat_linux(8)). The kernel
// doesn't tell if it was built with COMPAT_NETBSD32, as all GENERIC ones are.
func platforms(k kernel, arch string) ([]string, error) {
	nodes, err := query(k, []int32{ctlEmul})
	if err != nil {
		return nil, fmt.Errorf("look up sysctl emul: %w", err)
	}
	list := []string{"netbsd/" + arch}
	if _, ok := nodes["linux"]; ok {
		list = append(list, "linux/"+arch)
	}
	for _, n := range narrow {
		if n.wide != arch {
			continue
		}
		list = append(list, "netbsd/"+n.narrow)
		if _, ok := nodes["linux32"]; ok {
			list = append(list, "linux/"+n.narrow)
		}
	}
	return list, nil
}
