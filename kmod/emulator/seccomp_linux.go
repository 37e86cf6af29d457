package emulator

// The seccomp filter: the table compiled to a BPF program that answers EPERM
// for what is denied and lets everything else through.

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, seccomp(2). Both architectures are
// little-endian: an argument's low half comes first.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// effective gives the permissions that a cell really has: network none closes
// every way to a socket.
func effective(s *kmod.Spec) policy.Set {
	if s.Network == kmod.NetworkNone {
		return s.Permissions &^ policy.Internet
	}
	return s.Permissions
}

// answers collects what is to be done about one system call: the rules in
// order, the first without tests ends it.
func answers(set policy.Set) map[uint32][]call {
	rules := map[uint32][]call{}
	add := func(c call) {
		for _, nr := range c.nrs {
			if nr != noCall {
				rules[nr] = append(rules[nr], c)
			}
		}
	}
	for _, e := range emulation() {
		if !set.Has(e.permission) {
			for _, c := range e.deny {
				add(c)
			}
		}
	}
	for _, c := range linuxOnly() {
		add(c)
	}
	return rules
}

func denial(e unix.Errno) bpf.RetConstant {
	if e == 0 {
		e = unix.EPERM
	}
	return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(e)}
}

var allow = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}

// filter compiles the filter for a set of permissions.
func filter(set policy.Set) []bpf.Instruction {
	// A program of another architecture has other numbers, so it cannot be
	// judged: it is killed, as one that no call of is answered may not even
	// be able to exit.
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.LoadAbsolute{Off: offNr, Size: 4},
	}
	if x32Bit != 0 {
		prog = append(prog, bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Bit, SkipTrue: 1}, denial(unix.EPERM))
	}
	rules := answers(set)
	var flat []uint32 // denied whatever the arguments
	for _, nr := range slices.Sorted(maps.Keys(rules)) {
		if len(rules[nr][0].when) == 0 {
			flat = append(flat, nr)
		} else {
			prog = append(prog, judge(nr, rules[nr])...)
		}
	}
	prog = append(prog, ranges(flat, func(nr uint32) unix.Errno { return rules[nr][0].errno })...)
	return append(prog, allow)
}

// judge denies a system call by its arguments.
func judge(nr uint32, rules []call) []bpf.Instruction {
	var body []bpf.Instruction
	for _, c := range rules {
		body = append(body, check(c)...)
	}
	body = append(body, allow)
	if len(body) > math.MaxUint8 {
		panic(fmt.Sprintf("emulator: the rules for system call %d need %d instructions", nr, len(body)))
	}
	return append([]bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipFalse: uint8(len(body))},
	}, body...)
}

// check answers c's error when all of its tests hold.
func check(c call) []bpf.Instruction {
	code := []bpf.Instruction{denial(c.errno)}
	for _, t := range slices.Backward(c.when) {
		cond := bpf.JumpEqual
		if t.not {
			cond = bpf.JumpNotEqual
		}
		head := []bpf.Instruction{bpf.LoadAbsolute{Off: offArgs + 8*uint32(t.arg), Size: 4}}
		if t.mask != all32 {
			head = append(head, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: t.mask})
		}
		head = append(head, bpf.JumpIf{Cond: cond, Val: t.value, SkipFalse: uint8(len(code))})
		code = append(head, code...)
	}
	return code
}

// ranges denies system calls by number; neighbours with one error share a test.
func ranges(nrs []uint32, errno func(uint32) unix.Errno) []bpf.Instruction {
	var prog []bpf.Instruction
	for i := 0; i < len(nrs); {
		n := 1
		for i+n < len(nrs) && nrs[i+n] == nrs[i]+uint32(n) && errno(nrs[i+n]) == errno(nrs[i]) {
			n++
		}
		if n == 1 {
			prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: nrs[i], SkipFalse: 1})
		} else {
			prog = append(prog,
				bpf.JumpIf{Cond: bpf.JumpLessThan, Val: nrs[i], SkipTrue: 2},
				bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: nrs[i+n-1], SkipTrue: 1})
		}
		prog = append(prog, denial(errno(nrs[i])))
		i += n
	}
	return prog
}

// installFilter is the step that puts the filter on the child. It needs
// CAP_SYS_ADMIN, so it comes before the credentials change.
func installFilter(set policy.Set) (stage.Step, error) {
	raw, err := bpf.Assemble(filter(set))
	if err != nil {
		return stage.Step{}, fmt.Errorf("assemble seccomp filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := &unix.SockFprog{Len: uint16(len(code)), Filter: unsafe.SliceData(code)}
	s := stage.Sys("install seccomp filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(prog)))
	s.Keep = []any{prog, code}
	return s, nil
}
