package runtime

import (
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// enterSteps change the child's root. It must be the very vnode that the cell
// was made for, so the descriptor decides and not a path.
func enterSteps(root rootDir) []stage.Step {
	dot, slash := [...]byte{'.', 0}, [...]byte{'/', 0}
	chroot := stage.Sys("change root", unix.SYS_CHROOT, addressOf(&dot))
	chroot.Keep = []any{&dot}
	chdir := stage.Sys("enter root", unix.SYS_CHDIR, addressOf(&slash))
	chdir.Keep = []any{&slash}
	return []stage.Step{stage.Sys("open root", unix.SYS_FCHDIR, uintptr(root.fd)), chroot, chdir}
}

func dupTo(name string, from, to int) stage.Step {
	return stage.Sys(name, unix.SYS_DUP2, uintptr(from), uintptr(to))
}

// insidePid is the first process's pid as the container sees it: a cell hides
// processes and does not renumber them.
func insidePid(pid int) int { return pid }
