package main

// The ports that a machine can be made for.

import (
	"debug/elf"
	"fmt"
)

// port is what differs between them. Their machine is the same: an amd64
// processor begins as an i386 one.
type port struct {
	name     string // NetBSD's: of make kmod PORT=, and of the device numbers
	goarch   string
	class    elf.Class
	machine  elf.Machine
	kernbase uint64   // where kernels are linked
	loader   []string // the C compiler's flags for the loader
}

// ports is the table; the first one is that of disk images.
var ports = []port{
	{
		name: "amd64", goarch: "amd64", class: elf.ELFCLASS64, machine: elf.EM_X86_64,
		kernbase: 0xffffffff80000000,
	},
	{
		name: "i386", goarch: "386", class: elf.ELFCLASS32, machine: elf.EM_386,
		kernbase: 0xc0000000, loader: []string{"-DPORT_I386"},
	},
}

// portOf finds the port of an executable.
func portOf(f *elf.File) (*port, error) {
	for i := range ports {
		if p := &ports[i]; f.Class == p.class && f.Machine == p.machine && f.Type == elf.ET_EXEC {
			return p, nil
		}
	}
	return nil, fmt.Errorf("it is a %v %v %v, not an executable for amd64 or i386", f.Class, f.Machine, f.Type)
}
