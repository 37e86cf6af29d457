package main

// Tests of a mutant can leave processes and mounts behind, which no sweep of
// theirs finds. They run in a pid namespace and a mount namespace of their own,
// which end with them.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// insideArg makes this program the first process of the namespaces.
const insideArg = "-inside"

// apart is a command there. What it has as its temporary directory is temp: names
// below stay as short as tests expect them.
func apart(ctx context.Context, temp string, args []string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{insideArg, temp}, args...)...) //nolint:forbidigo // this program
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	return cmd, nil
}

// inside runs a command, reaps what it leaves, and gives its exit status.
func inside(temp string, args []string) int {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	if err == nil {
		err = os.Chmod(temp, os.ModeSticky|0o777)
	}
	if err == nil && !strings.HasPrefix(temp, os.TempDir()+"/") { // or it would hide the sources
		err = unix.Mount(temp, os.TempDir(), "", unix.MS_BIND, "")
	}
	cmd := exec.Command(args[0], args[1:]...) //nolint:forbidigo // the developer's own Go
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		return 125
	}
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		if err == nil && pid == cmd.Process.Pid {
			if ws.Exited() {
				return ws.ExitStatus()
			}
			return 128 + int(ws.Signal())
		}
	}
}
