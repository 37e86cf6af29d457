package exeseal

// Linux shows the program of a process as /proc/PID/exe, to be opened and
// written to once it has ended.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Protect makes sure that what a container can see of this process is
// not a way to write to our binary (CVE-2019-5736): between fork and exec the
// new process shows it as /proc/PID/exe, and a container may make it exec
// /proc/self/exe. So we go on as a copy of the binary's mount that is
// read-only and belongs to no namespace. On a read-only filesystem, which is
// also how the second pass is known, there is nothing to do.
func Protect() error {
	if done, err := Protected(); done || err != nil {
		return err
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, "/proc/self/exe", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("protect own binary: %w", err)
	}
	if err := sys.SetMountAttrs(fd, unix.MOUNT_ATTR_RDONLY); err != nil {
		return fmt.Errorf("protect own binary: %w", err)
	}
	err = syscall.Exec("/proc/self/fd/"+strconv.Itoa(fd), os.Args, os.Environ())
	return fmt.Errorf("protect own binary: %w", err)
}

// Protected tells whether this process goes on as that copy.
func Protected() (bool, error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return false, fmt.Errorf("protect own binary: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/proc/self/exe", &fs); err != nil {
		return false, fmt.Errorf("protect own binary: %w", err)
	}
	return fs.Flags&unix.ST_RDONLY != 0, nil
}

// errOwnBinary is the error of a program that leads out of the container.
var errOwnBinary = fmt.Errorf("exec: it leads to the runcell binary: %w", unix.EACCES)

// RefuseSelf gives an error unless a process is known to run another binary
// than ours, which the container's program may lead to: /proc/self/exe, or a
// script with that interpreter (CVE-2019-5736). One that has ended runs nothing.
func RefuseSelf(pid int) error {
	var self, other unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &self); err != nil {
		return fmt.Errorf("look at own binary: %w", err)
	}
	err := unix.Stat(fmt.Sprintf("/proc/%d/exe", pid), &other)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the program of process %d: %w", pid, err)
	}
	if sameFile(&self, &other) {
		return errOwnBinary
	}
	return nil
}

func sameFile(a, b *unix.Stat_t) bool { return a.Dev == b.Dev && a.Ino == b.Ino }
