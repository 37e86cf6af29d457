package main

// Operations on files.

import (
	"errors"
	"os"
	"os/exec"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

func errnoName(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return ""
}

func opStat(_ *probe, args []string, line *fact.Line) (err error) {
	line.Stat, err = stat(args[0], unix.Stat)
	return err
}

func opLstat(_ *probe, args []string, line *fact.Line) (err error) {
	line.Stat, err = stat(args[0], unix.Lstat)
	return err
}

func stat(path string, call func(string, *unix.Stat_t) error) (*fact.Stat, error) {
	var st unix.Stat_t
	if err := call(path, &st); err != nil {
		return nil, err
	}
	types := map[uint32]string{
		unix.S_IFREG: "file", unix.S_IFDIR: "dir", unix.S_IFLNK: "symlink", unix.S_IFCHR: "char",
		unix.S_IFBLK: "block", unix.S_IFIFO: "fifo", unix.S_IFSOCK: "socket",
	}
	mode := uint32(st.Mode)
	return &fact.Stat{
		Type: types[mode&unix.S_IFMT], Perm: mode & 0o7777, UID: st.Uid, GID: st.Gid, Size: st.Size,
		Dev: uint64(st.Dev), Ino: uint64(st.Ino), Rdev: uint64(st.Rdev),
	}, nil
}

func opRead(_ *probe, args []string, line *fact.Line) error {
	b, err := os.ReadFile(args[0])
	if len(b) > 1<<16 {
		b = b[:1<<16]
	}
	line.Text = string(b)
	return err
}

func opWrite(_ *probe, args []string, _ *fact.Line) error {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(args[1])
	return errors.Join(err, f.Close())
}

func opOpen(_ *probe, args []string, _ *fact.Line) error {
	flags := map[string]int{"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR}[args[1]]
	f, err := os.OpenFile(args[0], flags|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func opMkdir(_ *probe, args []string, _ *fact.Line) error { return os.Mkdir(args[0], 0o777) }

func opRemove(_ *probe, args []string, _ *fact.Line) error { return os.Remove(args[0]) }

func opReadlink(_ *probe, args []string, line *fact.Line) (err error) {
	line.Text, err = os.Readlink(args[0])
	return err
}

func opList(_ *probe, args []string, line *fact.Line) error {
	entries, err := os.ReadDir(args[0])
	for _, e := range entries {
		line.Names = append(line.Names, e.Name())
	}
	return err
}

// opExec runs the program at args[0] as `PROGRAM exit 0`.
func opExec(_ *probe, args []string, _ *fact.Line) error {
	return exec.Command(args[0], "exit", "0").Run()
}

// opCopy copies the probe itself to args[0], executable.
func opCopy(_ *probe, args []string, _ *fact.Line) error {
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], b, 0o755)
}
