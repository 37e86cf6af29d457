package main

// A launcher with a mount namespace of its own, without cgroup2.

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// threadLauncher starts commands from one locked thread that has a mount
// namespace of its own. On a host with cgroup v1 and v2 mixed, cgroup2 is not
// mounted there: crun refuses such a host, and all have to run under the same
// conditions.
type threadLauncher struct {
	work chan func()
}

// privateLauncher starts such a thread; then is what else is done to its mounts.
func privateLauncher(then ...func() error) (launcher, error) {
	l := &threadLauncher{work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with us
		err := isolate()
		for _, f := range then {
			if err == nil {
				err = f()
			}
		}
		ready <- err
		for f := range l.work {
			f()
		}
	}()
	return l, <-ready
}

func (l *threadLauncher) start(c *exec.Cmd) error {
	done := make(chan error)
	l.work <- func() { done <- c.Start() }
	return <-done
}

func isolate() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare mount namespace: %w (run as root)", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	v1, v2 := false, []string(nil)
	for line := range strings.Lines(string(mounts)) {
		head, tail, _ := strings.Cut(line, " - ")
		switch fields := strings.Fields(head); strings.Fields(tail)[0] {
		case "cgroup":
			v1 = true
		case "cgroup2":
			v2 = append(v2, fields[4])
		}
	}
	if !v1 {
		return nil
	}
	for _, m := range v2 {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", m, err)
		}
	}
	return nil
}
