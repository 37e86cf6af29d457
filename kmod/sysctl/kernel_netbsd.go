package sysctl

// The raw system calls on NetBSD.

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// Open gives a client of the running kernel. It asks the kernel nothing yet:
// the first call that needs the module fails with ErrUnavailable without it.
func Open() (kmod.Client, error) { return newClient(netbsd{}), nil }

type netbsd struct{}

func (netbsd) sysctl(mib []int32, old, newp []byte) (int, error) {
	n := uintptr(len(old))
	_, _, errno := syscall.Syscall6(syscall.SYS___SYSCTL,
		uintptr(unsafe.Pointer(unsafe.SliceData(mib))), uintptr(len(mib)),
		uintptr(unsafe.Pointer(unsafe.SliceData(old))), uintptr(unsafe.Pointer(&n)),
		uintptr(unsafe.Pointer(unsafe.SliceData(newp))), uintptr(len(newp)))
	runtime.KeepAlive(mib)
	if errno != 0 {
		return int(n), errno
	}
	return int(n), nil
}

func (netbsd) fork(p *stage.Program) (child, error) {
	pid, err := p.Start()
	return process(pid), err
}

// process is a child that nobody else waits for.
type process int

func (p process) pid() int { return int(p) }

func (p process) end() error {
	// An ended child keeps its pid until it is reaped below.
	_ = syscall.Kill(int(p), syscall.SIGKILL)
	for {
		_, err := syscall.Wait4(int(p), nil, 0, nil)
		if err != syscall.EINTR {
			if err != nil {
				return fmt.Errorf("wait for the helper: %w", err)
			}
			return nil
		}
	}
}
