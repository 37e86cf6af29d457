package main

// A mutant is a program without one of its checks, and its tests run as root:
// where the check kept names inside a directory, they remove and write what is
// the machine's. So nothing of the machine can be written: all is mounted
// read-only, but for the run's own directory, Go's cache and the control groups.
// What they leave of processes, mounts and System V IPC, which no sweep of theirs
// finds, ends with the namespaces that they are in, and so does another host name.
// Their control groups end with the run's own: see groups.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// insideArg makes this program the first process of the namespaces.
const insideArg = "-inside"

// apart is a command there, and what ends it. What it has as its temporary
// directory is temp: names below stay as short as tests expect them.
func apart(ctx context.Context, temp string, args []string) (*exec.Cmd, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	return apartBy(ctx, self, temp, args)
}

func apartBy(ctx context.Context, self, temp string, args []string) (*exec.Cmd, func(), error) {
	name := fmt.Sprintf("mutants.%d.%s", os.Getpid(), filepath.Base(temp))
	g, err := groupsNamed(name)
	if err == nil {
		err = g.make()
	}
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{insideArg, name, temp}, args...)...) //nolint:forbidigo // this program
	// A process group of its own: kill(2) of the own group asks for no namespace.
	const flags = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: flags, Pdeathsig: unix.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error {
		defer g.thaw() // the first process ends after all others
		return cmd.Process.Kill()
	}
	return cmd, g.end, nil
}

// inside runs a command, reaps what it leaves, and gives its exit status.
func inside(name, temp string, args []string) int {
	runtime.LockOSThread() // it has the namespace of the control groups
	g, err := enclose(name, temp)
	cmd := exec.Command(args[0], args[1:]...) //nolint:forbidigo // the developer's own Go
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		return 125
	}
	defer g.thaw()
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

// enclose makes the mounts. They are the machine's own if whoever starts this is
// not apart.
func enclose(name, temp string) (groups, error) {
	if os.Getpid() != 1 {
		return nil, errors.New(insideArg + " is for the first process of namespaces of its own")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return nil, fmt.Errorf("mount /proc: %w", err)
	}
	g, err := groupsNamed(name)
	if err == nil {
		err = g.enter()
	}
	if err == nil {
		err = keepOpen(temp)
	}
	return g, err
}

// keepOpen makes all read-only but what a run may write.
func keepOpen(temp string) error {
	cache, err := goCache()
	if err != nil {
		return err
	}
	open := []string{filepath.Dir(temp), cache}
	for _, dir := range open {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("keep %s open: %w", dir, err)
		}
	}
	if err := os.Chmod(temp, os.ModeSticky|0o777); err != nil {
		return fmt.Errorf("open the temporary directory: %w", err)
	}
	if err := setReadOnly("/", true); err != nil {
		return err
	}
	for _, dir := range append(open, "/proc", "/sys/fs/cgroup") {
		if err := setReadOnly(dir, false); err != nil {
			return err
		}
	}
	// Not a new file system in a directory that the sources may be in.
	if within := strings.HasPrefix(temp, os.TempDir()+"/"); !within {
		if err := unix.Mount(temp, os.TempDir(), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount the temporary directory: %w", err)
		}
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	return nil
}

func setReadOnly(dir string, on bool) error {
	attr := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	if on {
		attr = unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("change the mounts of %s: %w", dir, err)
	}
	return nil
}
