package main

// The ports that the module is built for, as data.

import (
	"debug/elf"
	"fmt"
	"strings"
)

// port is what differs between the ports that a module can be built for.
type port struct {
	name    string // as in make kmod PORT=name
	tools   string // what the names of the cross compiler and its programs begin with
	machine elf.Machine
	class   elf.Class
	flags   []string // the kernel's memory model, and no floating point
	// headers are the directories that the port's headers expect to find by name.
	headers map[string]string
	// relocations are those that the port's kernels know how to apply, of
	// every release since 7.99. direct makes others into these.
	relocations []uint32
	direct      map[uint32]uint32
}

// ports is the table; the first one is built when none is named.
var ports = []port{
	{
		name: "amd64", machine: elf.EM_X86_64, class: elf.ELFCLASS64,
		flags: []string{
			"-m64", "-mcmodel=kernel", "-mno-red-zone", "-mno-mmx", "-mno-sse", "-mno-avx", "-msoft-float",
			"-fcf-protection=none",
		},
		headers:     map[string]string{"machine": "amd64", "amd64": "amd64", "x86": "x86", "i386": "i386"},
		relocations: types(elf.R_X86_64_NONE, elf.R_X86_64_64, elf.R_X86_64_PC32, elf.R_X86_64_32, elf.R_X86_64_32S),
		direct:      map[uint32]uint32{uint32(elf.R_X86_64_PLT32): uint32(elf.R_X86_64_PC32)},
	},
	{
		name: "i386", machine: elf.EM_386, class: elf.ELFCLASS32,
		flags: []string{
			"-m32", "-march=i486", "-mno-mmx", "-mno-sse", "-mno-avx", "-msoft-float",
			"-fcf-protection=none",
		},
		headers:     map[string]string{"machine": "i386", "i386": "i386", "x86": "x86"},
		relocations: types(elf.R_386_NONE, elf.R_386_32, elf.R_386_PC32),
		direct:      map[uint32]uint32{uint32(elf.R_386_PLT32): uint32(elf.R_386_PC32)},
	},
	{
		name: "aarch64", tools: "aarch64-linux-gnu-", machine: elf.EM_AARCH64, class: elf.ELFCLASS64,
		flags:   []string{"-march=armv8-a", "-mgeneral-regs-only", "-mno-outline-atomics", "-mbranch-protection=none"},
		headers: map[string]string{"machine": "evbarm", "evbarm": "evbarm", "aarch64": "aarch64", "arm": "arm"},
		relocations: types(elf.R_AARCH64_NONE, elf.R_AARCH64_ABS64, elf.R_AARCH64_ABS32, elf.R_AARCH64_PREL64, elf.R_AARCH64_PREL32,
			elf.R_AARCH64_ADR_PREL_PG_HI21, elf.R_AARCH64_ADR_PREL_PG_HI21_NC, elf.R_AARCH64_ADD_ABS_LO12_NC,
			elf.R_AARCH64_LDST8_ABS_LO12_NC, elf.R_AARCH64_LDST16_ABS_LO12_NC, elf.R_AARCH64_LDST32_ABS_LO12_NC,
			elf.R_AARCH64_LDST64_ABS_LO12_NC, elf.R_AARCH64_JUMP26, elf.R_AARCH64_CALL26),
	},
	{
		// Long calls: a branch does not reach the kernel from everywhere.
		// ARMv6: a kernel drops the addend of a MOVW, which ARMv7 would use.
		name: "arm", tools: "arm-linux-gnueabi-", machine: elf.EM_ARM, class: elf.ELFCLASS32,
		flags:       []string{"-marm", "-march=armv6", "-mfloat-abi=soft", "-mno-unaligned-access", "-mlong-calls"},
		headers:     map[string]string{"machine": "evbarm", "evbarm": "evbarm", "arm": "arm", "aarch64": "aarch64"},
		relocations: types(elf.R_ARM_NONE, elf.R_ARM_V4BX, elf.R_ARM_ABS32, elf.R_ARM_REL32, elf.R_ARM_CALL, elf.R_ARM_JUMP24),
	},
	{
		// Big-endian, and whoever reads a word where none may be is stopped. A
		// kernel leaves the symbol out of WPLT30, the mark of a call.
		name: "sparc64", tools: "sparc64-linux-gnu-", machine: elf.EM_SPARCV9, class: elf.ELFCLASS64,
		flags:   []string{"-m64", "-mcmodel=medlow", "-mno-fpu", "-mcpu=ultrasparc", "-Wcast-align=strict", "-Dsparc64", "-D_LP64"},
		headers: map[string]string{"machine": "sparc64", "sparc64": "sparc64", "sparc": "sparc"},
		relocations: types(elf.R_SPARC_NONE, elf.R_SPARC_32, elf.R_SPARC_64, elf.R_SPARC_DISP32, elf.R_SPARC_WDISP30, elf.R_SPARC_WDISP22,
			elf.R_SPARC_HI22, elf.R_SPARC_LO10, elf.R_SPARC_OLO10, elf.R_SPARC_WDISP19),
		direct: map[uint32]uint32{uint32(elf.R_SPARC_WPLT30): uint32(elf.R_SPARC_WDISP30)},
	},
}

// types makes a port's relocation types, which are of a Go type each, plain
// numbers.
func types[T ~int](list ...T) []uint32 {
	out := make([]uint32, len(list))
	for i, t := range list {
		out[i] = uint32(t)
	}
	return out
}

func portNamed(name string) (*port, error) {
	names := make([]string, len(ports))
	for i := range ports {
		if ports[i].name == name {
			return &ports[i], nil
		}
		names[i] = ports[i].name
	}
	return nil, fmt.Errorf("no port %q (one of %s)", name, strings.Join(names, ", "))
}
