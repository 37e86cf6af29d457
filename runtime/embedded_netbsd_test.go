package runtime_test

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/sysctl"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var systemMounts = []specs.Mount{
	{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
	{Destination: "/dev/pts", Type: "ptyfs", Source: "ptyfs"},
}

var systemLinks []string

// several lives of containers are one after the other, many one beside the other:
// an emulated processor is slow.
const several, lives = 3, 16

// leftByFirst: children live on when a cell's first process has ended.
const leftByFirst = 1

func openCells(string) (kmod.Client, error) { return sysctl.Open() }

// openDescriptors asks for kern.file2 of a process (sysctl(7)): struct
// kinfo_file of NetBSD's sys/sysctl.h.
func openDescriptors(t *testing.T, pid int) (fds []int) {
	t.Helper()
	const (
		ctlKern, kernFile2, byPid = 1, 77, 2
		size, pidAt, fdAt         = 120, 104, 108
		most                      = 1024
	)
	mib := [6]int32{ctlKern, kernFile2, byPid, int32(pid), size, most}
	buf := make([]byte, most*size)
	n := uintptr(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib)), uintptr(len(mib)),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0, 0)
	if errno != 0 {
		t.Fatalf("kern.file2 of %d: %v", pid, errno)
	}
	for b := buf[:n]; len(b) >= size; b = b[size:] {
		if binary.NativeEndian.Uint32(b[pidAt:]) == uint32(pid) {
			fds = append(fds, int(int32(binary.NativeEndian.Uint32(b[fdAt:]))))
		}
	}
	slices.Sort(fds)
	return fds
}

// threads are not counted here.
func threads(*testing.T) int { return 0 }

// identity is what others see of this process.
type identity struct{ cwd string }

func whatWeAre(t *testing.T) identity {
	t.Helper()
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return identity{cwd: cwd}
}
