package process

// How a thread and its children stand to a cell on NetBSD.

import (
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// mainThread is the one that initialises packages.
var mainThread = lwpSelf()

// isMainThread: a thread has nothing here that is not the process's, but for the
// kernel's notes about what it has looked at. The main thread keeps them to the end.
var isMainThread = func() bool { return lwpSelf() == mainThread }

// lwpSelf is _lwp_self(2).
func lwpSelf() uintptr {
	id, _, _ := unix.RawSyscall(unix.SYS__LWP_SELF, 0, 0, 0)
	return id
}

// EnterSteps change the child's root. It must be the very vnode that the cell
// was made for, so the descriptor decides and not a path.
func EnterSteps(root *inroot.Dir) []stage.Step {
	dot, slash := [...]byte{'.', 0}, [...]byte{'/', 0}
	chroot := stage.Sys("change root", unix.SYS_CHROOT, AddressOf(&dot))
	chroot.Keep = []any{&dot}
	chdir := stage.Sys("enter root", unix.SYS_CHDIR, AddressOf(&slash))
	chdir.Keep = []any{&slash}
	return []stage.Step{root.ChdirStep("open root"), chroot, chdir, root.CloseStep("let go of the root")}
}

// DupTo makes a descriptor the child's descriptor to (dup2(2)).
func DupTo(name string, from, to int) stage.Step {
	return stage.OnFD(name, unix.SYS_DUP2, from, uintptr(to))
}

// JoinFirst is nil: NetBSD has no namespaces.
var JoinFirst func(pid int) error

// Strangers is nil: hooks of the host are in no cell.
var Strangers func(first int) ([]int, error)

// FirstPid is 0: the pid of a container's first process is not known beforehand.
const FirstPid = 0

// InsidePid is the first process's pid as the container sees it: a cell hides
// processes and does not renumber them.
func InsidePid(pid int) int { return pid }
