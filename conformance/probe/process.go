package main

// Operations on processes, signals and the probe's own streams.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

// operations is everything the probe can do.
var operations map[string]operation

func init() {
	operations = map[string]operation{
		"facts": {0, opFacts}, "hook": {1, opHook}, "mark": {1, opMark}, "to": {1, opTo},
		"stat": {1, opStat}, "lstat": {1, opLstat}, "read": {1, opRead}, "write": {2, opWrite},
		"open": {2, opOpen}, "mkdir": {1, opMkdir}, "remove": {1, opRemove}, "readlink": {1, opReadlink},
		"ls": {1, opList}, "exec": {1, opExec}, "copy": {1, opCopy}, "size": {1, opSize},
		"exit": {1, opExit}, "sleep": {1, opSleep}, "sleepless": {0, opSleepless}, "again": {0, opAgain}, "neighbour": {0, opNeighbour}, "trap": {1, opTrap}, "signals": {0, opSignals},
		"children": {1, opChildren}, "linger": {0, opLinger}, "reopen": {0, opReopen}, "job": {1, opJob}, "jobfg": {1, opJob}, "kill": {2, opKill}, "stdin": {0, opStdin}, "readline": {0, opReadline},
		"say": {1, opSay}, "complain": {1, opComplain}, "flood": {1, opFlood}, "lines": {1, opLines},
		"mount": {1, opMount}, "settime": {0, opSettime}, "bind": {1, opBind}, "bindto": {1, opBindTo}, "listen": {1, opListen}, "burn": {0, opBurn}, "connect": {1, opConnect}, "mknod": {1, opMknod},
		"readfd": {1, opReadFD}, "same": {2, opSame}, "senddir": {2, opSendDir}, "escape": {2, opEscape},
	}
}

func opFacts(p *probe, _ []string, line *fact.Line) error {
	line.Facts = p.facts()
	return nil
}

// opHook notes the state that the runtime gave on stdin, and everything else
// about the hook's process.
func opHook(p *probe, _ []string, line *fact.Line) error {
	b, err := io.ReadAll(os.Stdin)
	line.Text, line.Facts = string(b), p.facts()
	return err
}

func opMark(*probe, []string, *fact.Line) error { return nil }

// opTo appends everything from here on to a file.
func opTo(p *probe, args []string, line *fact.Line) error {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	p.out, line.Op = f, ""
	return nil
}

func opExit(_ *probe, args []string, _ *fact.Line) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	os.Exit(n)
	return nil
}

func opSleep(p *probe, args []string, line *fact.Line) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	if err := p.print(&fact.Line{Op: "ready", OK: true}); err != nil {
		return err
	}
	time.Sleep(d)
	line.Op = ""
	return nil
}

// opSleepless says that it is ready, then executes this program with nothing
// but opAgain, for ever.
func opSleepless(p *probe, _ []string, line *fact.Line) error {
	if err := p.print(&fact.Line{Op: "ready", OK: true}); err != nil {
		return err
	}
	return opAgain(p, nil, line)
}

func opAgain(*probe, []string, *fact.Line) error {
	return syscall.Exec(os.Args[0], []string{os.Args[0], "again"}, os.Environ())
}

// opTrap waits for a signal, prints its name and exits with args[0].
func opTrap(p *probe, args []string, _ *fact.Line) error {
	return p.listen(func() { _ = opExit(p, args, nil) })
}

// opBurn uses a processor for a while, beside what follows.
func opBurn(*probe, []string, *fact.Line) error {
	const most = 30 * time.Second
	go func() {
		for began := time.Now(); time.Since(began) < most; {
			_ = began
		}
	}()
	return nil
}

// opSignals prints the name of every signal that arrives, for ever.
func opSignals(p *probe, _ []string, _ *fact.Line) error { return p.listen(func() {}) }

func (p *probe) listen(after func()) error {
	c := make(chan os.Signal, 16)
	signal.Notify(c)
	signal.Reset(syscall.SIGURG) // the Go runtime sends it to itself
	if err := p.print(&fact.Line{Op: "ready", OK: true}); err != nil {
		return err
	}
	for s := range c {
		if s == syscall.SIGCHLD || s == syscall.SIGURG {
			continue
		}
		name := unix.SignalName(s.(syscall.Signal))
		if name == "" {
			name = fmt.Sprintf("signal %d", int(s.(syscall.Signal)))
		}
		line := &fact.Line{Op: "signal", OK: true, Text: name}
		if s == syscall.SIGWINCH {
			size := terminal()
			line.Terminal = &size
		}
		if err := p.print(line); err != nil {
			return err
		}
		after()
	}
	return nil
}

// opChildren starts sleeping processes, each in a session of its own.
func opChildren(_ *probe, args []string, line *fact.Line) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for range n {
		cmd := exec.Command(os.Args[0], "sleep", "1000s")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		line.Names = append(line.Names, strconv.Itoa(cmd.Process.Pid))
	}
	return nil
}

// opLinger starts a process that keeps the probe's streams, in a process group
// of its own, as a shell's job in the background has.
func opLinger(_ *probe, _ []string, line *fact.Line) error {
	cmd := exec.Command(os.Args[0], "sleep", "1000s")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	line.Names = []string{strconv.Itoa(cmd.Process.Pid)}
	return nil
}

// opReopen closes the probe's terminal, whose last user it is, and opens it
// again after a while.
func opReopen(*probe, []string, *fact.Line) error {
	var st unix.Stat_t
	if err := unix.Fstat(0, &st); err != nil {
		return err
	}
	name := fmt.Sprintf("/dev/pts/%d", unix.Minor(uint64(st.Rdev)))
	time.Sleep(time.Millisecond) // the Go runtime opens what it needs for it
	for fd := range 3 {
		_ = unix.Close(fd)
	}
	time.Sleep(300 * time.Millisecond)
	for fd := range 3 {
		got, err := unix.Open(name, unix.O_RDWR, 0)
		if err != nil {
			return err
		}
		if got != fd {
			return fmt.Errorf("opened as %d, want %d", got, fd)
		}
	}
	return nil
}

// opJob runs a program (args[0] is its arguments, a JSON list) as a shell that
// has a terminal runs one in the background, and waits for its end. As "jobfg" it
// brings it to the foreground at SIGUSR1.
func opJob(_ *probe, args []string, line *fact.Line) error {
	var argv []string
	if err := json.Unmarshal([]byte(args[0]), &argv); err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGUSR1)
	go func() {
		for s := range told {
			if s == syscall.SIGTERM {
				_ = cmd.Process.Kill()
			} else if line.Op == "jobfg" {
				_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, cmd.Process.Pid)
			}
		}
	}()
	err := cmd.Wait()
	line.Text = fmt.Sprint(cmd.ProcessState)
	return err
}

func opKill(_ *probe, args []string, _ *fact.Line) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	return unix.Kill(pid, unix.SignalNum(args[1]))
}

func opStdin(_ *probe, _ []string, line *fact.Line) error {
	b, err := io.ReadAll(os.Stdin)
	line.Text = string(b)
	return err
}

func opReadline(_ *probe, _ []string, line *fact.Line) error {
	b := make([]byte, 4096)
	n, err := os.Stdin.Read(b)
	line.Text = string(b[:max(n, 0)])
	return err
}

func opSay(_ *probe, args []string, line *fact.Line) error {
	line.Op = ""
	_, err := fmt.Println(args[0])
	return err
}

func opComplain(_ *probe, args []string, line *fact.Line) error {
	line.Op = ""
	_, err := fmt.Fprintln(os.Stderr, args[0])
	return err
}

// opLines writes args[0] lines, each with its number.
func opLines(_ *probe, args []string, line *fact.Line) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	line.Op = ""
	for i := range n {
		if _, err := fmt.Printf("line %d\n", i+1); err != nil {
			return err
		}
	}
	return nil
}

// opFlood writes args[0] bytes of 'x' to stdout.
func opFlood(_ *probe, args []string, line *fact.Line) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	line.Op = ""
	_, err = os.Stdout.Write(b)
	return err
}

// opReadFD reads everything from an inherited descriptor.
func opReadFD(_ *probe, args []string, line *fact.Line) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	b, err := io.ReadAll(os.NewFile(uintptr(n), "inherited"))
	line.Text = string(b)
	return err
}

// opSame says whether a descriptor and a path are one file.
func opSame(_ *probe, args []string, _ *fact.Line) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var fd, path unix.Stat_t
	if err := errors.Join(unix.Fstat(n, &fd), unix.Stat(args[1], &path)); err != nil {
		return err
	}
	if fd.Dev != path.Dev || fd.Ino != path.Ino {
		return fmt.Errorf("descriptor %d is another file than %s", n, args[1])
	}
	return nil
}

// opBind binds a TCP port on the loopback address.
func opBind(_ *probe, args []string, _ *fact.Line) error {
	port, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}), unix.Close(fd))
}
