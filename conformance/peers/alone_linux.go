package main

// A place for the tests on Linux: a mount namespace of its own, in which every
// runtime finds control groups that it understands.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/owned"
	"golang.org/x/sys/unix"
)

// insideVar says that this process is in that namespace.
const insideVar = "PEERS_INSIDE"

// alone starts this program again in a mount namespace of its own, where it
// becomes the parent of whatever the tests leave behind.
func alone() error {
	if os.Getenv(insideVar) != "" {
		if err := harness.Isolate(true); err != nil {
			return err
		}
		return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("start anew: %w", err)
	}
	os.Exit(0)
	return nil
}

// running gives the processes that are left of what was started below this one.
func running() map[int]string { return owned.Processes() }

// tidy ends those that were not there before. A frozen one does not end before
// it is thawed, and what has ended is a child until its status is read.
func tidy(before map[int]string) {
	var groups []string
	for pid := range owned.Processes() {
		if _, old := before[pid]; !old {
			groups = append(groups, thaw(pid)...)
		}
	}
	owned.Kill(before)
	reap(0)
	for _, dir := range groups {
		_ = os.Remove(dir) // another's, if somebody is in it
	}
	_ = os.Chown("/dev/null", 0, 0) // runtimes gave it away to a program's user
}

// adopt reads the status of orphans as they end, until stop is called: who looks
// whether one is there would find it dead and there. The child's status is left.
func adopt(child int) (stop func()) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	go func() {
		for range ended {
			reap(child)
		}
	}()
	return func() { signal.Stop(ended); close(ended) }
}

func reap(except int) {
	for pid := range owned.Processes() {
		if pid != except {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// thaw lets the processes go on that a test has frozen together with this one,
// and gives the control group in which it did.
func thaw(pid int) (groups []string) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)) // it may have ended
	for line := range strings.Lines(string(b)) {
		_, path, is := strings.Cut(strings.TrimSpace(line), ":freezer:")
		dir := filepath.Join("/sys/fs/cgroup/freezer", path)
		if !is || path == "/" || os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0) != nil {
			continue
		}
		groups = append(groups, dir)
	}
	return groups
}
