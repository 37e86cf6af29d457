package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// The main thread is the process, as others see it.
func TestMainThread(t *testing.T) {
	if !initialThread {
		t.Error("the thread on which Go begins is not the main one")
	}
	err := OnThread(func() error {
		if isMainThread() || unix.Gettid() == unix.Getpid() {
			t.Error("f runs on the main thread")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// initialThread is what isMainThread says while packages are initialised, which
// the main thread does.
var initialThread = isMainThread()

// Who has a child reaped by others does not know what it did.
func TestDoOfAChildThatOthersReap(t *testing.T) {
	ignore(t, unix.SIGCHLD) // then the kernel does
	if err := Do(&stage.Program{Steps: []stage.Step{stage.Sys("ask", unix.SYS_GETPID)}}); !errors.Is(err, unix.ECHILD) {
		t.Errorf("Do = %v; want ECHILD", err)
	}
}

// ignore has the kernel ignore a signal until the test ends, and leaves to Go
// what it knows of it.
func ignore(t *testing.T, sig unix.Signal) {
	t.Helper()
	action, before := [4]uint64{1}, new([4]uint64) // struct kernel_sigaction: SIG_IGN
	set := func(to, was *[4]uint64) {
		t.Helper()
		if _, _, errno := unix.Syscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(was)), 8, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	set(&action, before)
	t.Cleanup(func() { set(before, nil) })
}

// What is about the process itself is done by the one that stays, in whichever
// order the steps are given.
func TestProgramWithABirth(t *testing.T) {
	script := `set -- $(cat /proc/$$/stat); test "$6" = $$ && exit 7` // it leads a session
	exec, err := stage.Exec("/bin/sh", []string{"sh", "-c", script}, []string{"PATH=/bin:/usr/bin"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := StartProgram(t.Context(), &stage.Program{Steps: []stage.Step{stage.Sys("lead a session", unix.SYS_SETSID), stage.BirthStep("be born"), exec}})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.ExitStatus(); s != 7 || err != nil {
		t.Errorf("status %d, %v; want 7: the leader of a session", s, err)
	}
}

// Who joins a cell's first process has its namespaces, and is the only stranger
// there as long as it lives.
func TestJoinFirst(t *testing.T) {
	namespaces := stage.Fork{Flags: unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	pid, _ := forkSleeper(t, &stage.Program{Fork: namespaces})
	first := &Child{Pid: pid}
	defer func() { _ = first.End() }()
	pid, _ = forkSleeper(t, &stage.Program{Fork: namespaces})
	other := &Child{Pid: pid}
	defer func() { _ = other.End() }()

	ns := func(of, kind string) string {
		link, err := os.Readlink("/proc/" + of + "/ns/" + kind)
		if err != nil {
			t.Error(err)
		}
		return link
	}
	var stranger *Child
	err := OnThread(func() error {
		if err := JoinFirst(first.Pid); err != nil {
			return err
		}
		for own, its := range map[string]string{"pid_for_children": "pid", "ipc": "ipc", "uts": "uts"} {
			if got, want := ns("thread-self", own), ns(fmt.Sprint(first.Pid), its); got != want {
				t.Errorf("the thread is in %s; want the cell's %s", got, want)
			}
		}
		pid, _ := forkSleeper(t, &stage.Program{})
		stranger = &Child{Pid: pid}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	strangers := func(want ...int) {
		t.Helper()
		if got, err := Strangers(first.Pid); err != nil || !slices.Equal(got, want) {
			t.Errorf("strangers are %v, %v; want %v", got, err, want)
		}
	}
	strangers(stranger.Pid)
	if err := stranger.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := awaitExit(stranger.Pid); err != nil { // and is there until it is reaped
		t.Error(err)
	}
	strangers()
	if err := stranger.End(); err != nil {
		t.Error(err)
	}
	if err := first.End(); err != nil {
		t.Error(err)
	}
	if _, err := Strangers(first.Pid); err == nil {
		t.Error("the strangers of a cell that is gone are known")
	}
	if err := JoinFirst(first.Pid); err == nil {
		t.Error("a cell that is gone was joined")
	}
}
