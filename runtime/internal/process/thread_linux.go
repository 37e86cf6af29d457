package process

// How a thread and its children stand to a cell on the emulator's host.

import (
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// EnterSteps has nothing to do: a child of such a thread is in the root.
func EnterSteps(*inroot.Dir) []stage.Step { return nil }

// DupTo makes a descriptor the child's descriptor to (dup3(2)).
func DupTo(name string, from, to int) stage.Step {
	return stage.OnFD(name, unix.SYS_DUP3, from, uintptr(to), 0)
}

// InsidePid is the first process's pid as the container sees it.
func InsidePid(int) int { return 1 }
