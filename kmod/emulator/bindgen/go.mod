// A module of its own: only those who change the programs need the assembler.
module github.com/netbsd-cells/runcell/kmod/emulator/bindgen

go 1.26.0

require (
	github.com/cilium/ebpf v0.22.0
	golang.org/x/sys v0.49.0
)
