package main

// The smoke test's points about processes, terminals and sockets, and what its
// children do.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// helper is what a child of the smoke test does.
func helper(args []string) error {
	switch args[0] {
	case "exit": // exit STATUS
		status, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		os.Exit(status)
	case "wait": // says that it is there, and ends with stdin
		fmt.Println("here")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case "open": // open PATH
		f, err := os.OpenFile(args[1], os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return f.Close()
	case "orphan": // starts a process, prints its id and leaves it alone
		cmd := program(os.Args[0], "exit", "0")
		if err := cmd.Start(); err != nil {
			return err
		}
		fmt.Println(cmd.Process.Pid)
		return nil
	case "cost": // cost CELL
		id, err := strconv.ParseUint(args[1], 10, 32)
		if err != nil {
			return err
		}
		return costChild(uint32(id))
	case "kill": // kill PID
		pid, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return unix.Kill(pid, unix.SIGTERM)
	}
	return fmt.Errorf("helper %q: not known", args[0])
}

// program is a helper by any path: this program, or what shows it elsewhere.
func program(path string, args ...string) *exec.Cmd {
	return &exec.Cmd{Path: path, Args: append([]string{os.Args[0], helperArg}, args...), Env: environment}
}

// child runs a helper to its end; an exit status is no error.
func child(path string, args ...string) (syscall.WaitStatus, error) {
	cmd := program(path, args...)
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.Sys().(syscall.WaitStatus), nil
}

func exitStatus() error {
	status, err := child(os.Args[0], "exit", "42")
	if err == nil && status.ExitStatus() != 42 {
		err = fmt.Errorf("wait status %#x; want exit status 42", status)
	}
	return err
}

// waiting starts a child that lives for the time of a function. It has said that
// it runs: what is sent to a process before its execve(2) is over gets lost.
func waiting(do func(cmd *exec.Cmd) error) error {
	cmd := program(os.Args[0], "wait")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for the child: %w", err)
	}
	return do(cmd)
}

func killedStatus() error {
	return waiting(func(cmd *exec.Cmd) error {
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		_ = cmd.Wait()
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
			return fmt.Errorf("wait status %#x; want SIGKILL", status)
		}
		return nil
	})
}

func manyPrograms() error {
	for range 100 {
		if status, err := child(os.Args[0], "exit", "0"); err != nil || status != 0 {
			return errors.Join(fmt.Errorf("wait status %#x", status), err)
		}
	}
	return nil
}

// orphans: a process without a parent is gone, and not a zombie, soon after
// its end.
func orphans() error {
	out, err := program(os.Args[0], "orphan").Output()
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return err
	}
	for range 100 {
		if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("process %d is still there after 2 s", pid)
}

func foreignSignal() error {
	return waiting(func(cmd *exec.Cmd) error {
		other := program(os.Args[0], "kill", strconv.Itoa(cmd.Process.Pid))
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
		if out, err := other.CombinedOutput(); err == nil || !strings.Contains(string(out), unix.EPERM.Error()) {
			return errors.Join(fmt.Errorf("kill says %q; want EPERM", out), err)
		}
		return nil
	})
}

func processList() error {
	const pidAt = 116
	list, err := unix.SysctlRaw("kern.proc2", 0, 0, kinfoSize, 1<<16)
	if err != nil {
		return err
	}
	seen := map[int]bool{}
	for ; len(list) >= kinfoSize; list = list[kinfoSize:] {
		seen[int(binary.NativeEndian.Uint32(list[pidAt:]))] = true
	}
	if !seen[1] || !seen[os.Getpid()] {
		return fmt.Errorf("process 1 or %d is missing in %v", os.Getpid(), seen)
	}
	return nil
}

// kqueueExit: NOTE_EXIT's data is the wait status.
func kqueueExit() error {
	kq, err := unix.Kqueue()
	if err != nil {
		return err
	}
	defer unix.Close(kq)
	return waiting(func(cmd *exec.Cmd) error {
		var event unix.Kevent_t
		unix.SetKevent(&event, cmd.Process.Pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
		event.Fflags = unix.NOTE_EXIT
		if _, err := unix.Kevent(kq, []unix.Kevent_t{event}, nil, nil); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			return err
		}
		got := make([]unix.Kevent_t, 1)
		n, err := unix.Kevent(kq, nil, got, &unix.Timespec{Sec: 10})
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Kevent(kq, nil, got, &unix.Timespec{Sec: 10})
		}
		if err != nil || n != 1 || got[0].Data != int64(unix.SIGKILL) {
			return errors.Join(fmt.Errorf("kevent = %d, data %#x; want the status of SIGKILL", n, got[0].Data), err)
		}
		return nil
	})
}

func pty() error {
	fd, err := unix.Open("/dev/ptm", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/ptm: %w", err)
	}
	defer unix.Close(fd)
	const tiocptmget = 0x48087446
	var names unix.Ptmget
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), tiocptmget, uintptr(unsafe.Pointer(&names))); errno != 0 {
		return fmt.Errorf("make pty: %w", errno)
	}
	master, slave := os.NewFile(uintptr(names.Cfd), "master"), os.NewFile(uintptr(names.Sfd), "slave")
	defer master.Close()
	defer slave.Close()
	if name := unix.ByteSliceToString(names.Sn[:]); !strings.HasPrefix(name, "/dev/pts/") {
		return fmt.Errorf("the pty is %q; want one below /dev/pts", name)
	}
	for _, way := range []struct{ from, to *os.File }{{master, slave}, {slave, master}} {
		if _, err := way.from.WriteString("word\n"); err != nil {
			return err
		}
		b := make([]byte, 64)
		if n, err := way.to.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "word") {
			return errors.Join(fmt.Errorf("%s reads %q", way.to.Name(), b[:n]), err)
		}
	}
	return nil
}

// network passes a word through a connection of its own.
func network(kind, address string) error {
	l, err := net.Listen(kind, address)
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.WriteString(c, "word")
			_ = c.Close()
		}
	}()
	c, err := net.DialTimeout(kind, l.Addr().String(), 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "word" {
		return errors.Join(fmt.Errorf("read %q", got), err)
	}
	return nil
}
