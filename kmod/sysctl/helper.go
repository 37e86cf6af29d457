package sysctl

// The helper's program, from fork to exit, and the step that enters a cell.

import (
	"encoding/binary"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// NetBSD's system call numbers, the same on every port.
const (
	sysWrite  = 4
	sysChdir  = 12
	sysKill   = 37
	sysChroot = 61
	sysDup2   = 90
	sysFcntl  = 92
	sysSysctl = 202
	fClosem   = 10 // fcntl: close every descriptor from this one on
	sigKill   = 9
)

// helperProgram is what the helper does from fork to exit.
func helperProgram(n *nodes, cell *kmod.Info, sig, times, room int, dataFD, reportFD int) (*stage.Program, error) {
	chroot, err := stage.Path("chroot "+cell.Root, sysChroot, cell.Root)
	if err != nil {
		return nil, err
	}
	chdir, err := stage.Path("chdir /", sysChdir, "/")
	if err != nil {
		return nil, err
	}
	steps := []stage.Step{
		stage.Sys("move the report pipe", sysDup2, uintptr(reportFD), 1),
		stage.Sys("move the data pipe", sysDup2, uintptr(dataFD), 0),
		stage.Sys("close all other descriptors", sysFcntl, 2, fClosem, 0),
		chroot, chdir, enterStep(n, cell.ID),
	}
	for range times {
		kill := stage.Sys(fmt.Sprintf("signal %d to all members", sig), sysKill, ^uintptr(0), uintptr(sig))
		kill.Tolerate[0] = syscall.ESRCH // nobody there
		steps = append(steps, kill)
	}
	return &stage.Program{
		Steps:    append(steps, listSteps(room)...),
		Report:   [2]int{1, reportFD},
		ExitCode: 1,
	}, nil
}

// listSteps read kern.proc2 and write its length and content to descriptor 0.
func listSteps(room int) []stage.Step {
	mib := procMIB(room)
	buf := make([]byte, room*procSize)
	size := new(uintptr)
	*size = uintptr(len(buf))
	read := sysctlStep("list the members", mib)
	read.Args[2], read.Args[3] = address(&buf[0]), address(size)
	read.Keep = append(read.Keep, &buf[0], size)
	head := stage.Sys("report the list's length", sysWrite, 0, address(size), unsafe.Sizeof(*size))
	head.Keep, head.Exact, head.Want = []any{size}, true, unsafe.Sizeof(*size)
	body := stage.Sys("report the list", sysWrite, 0, address(&buf[0]), lowHalf(size))
	body.From[2] = stage.Load32
	body.Keep = []any{&buf[0], size}
	return []stage.Step{read, head, body}
}

// lowHalf is where the lower 32 bits of a size_t lie: a step can load those.
func lowHalf(size *uintptr) uintptr {
	bigEndian := binary.NativeEndian.Uint16([]byte{0, 1}) == 1
	if bigEndian {
		return address(size) + unsafe.Sizeof(*size) - 4
	}
	return address(size)
}

// procMIB asks for every visible process, at most room of them.
func procMIB(room int) []int32 {
	const all = 0
	return []int32{ctlKern, kernProc2, all, 0, procSize, int32(room)}
}

// enterStep writes a cell's id to security.models.cell.id.
func enterStep(n *nodes, id kmod.ID) stage.Step {
	value := new(uint32)
	*value = uint32(id)
	s := sysctlStep(fmt.Sprintf("enter cell %d (as host root, at the root it was created with)", id), n.id)
	s.Args[4], s.Args[5] = address(value), unsafe.Sizeof(*value)
	s.Keep = append(s.Keep, value)
	return s
}

// sysctlStep is a __sysctl(2) with the mib filled in.
func sysctlStep(name string, mib []int32) stage.Step {
	mib = slices.Clone(mib)
	s := stage.Sys(name, sysSysctl, address(&mib[0]), uintptr(len(mib)))
	s.Keep = []any{&mib[0]}
	return s
}

// address is where a heap object lies; the step's Keep holds the object.
func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
