package host

// Starting programs in a cell or beside it, as some user.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/adversary/attack"
	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"golang.org/x/sys/unix"
)

// First arguments of the program that make it something else.
const (
	LaunchArg = "launch"
	IdleArg   = "idle"
)

// place is where a program runs, and as whom.
type place struct {
	cell uint32 // 0 is the host
	root string
	uid  int
}

// program is the adversary's own in every root.
const program = "/adversary"

// command starts this program again, which then enters and executes path.
func (p place) command(path string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	cmd := exec.Command(self, append([]string{
		LaunchArg, strconv.Itoa(int(p.cell)), p.root, strconv.Itoa(p.uid), path,
	}, args...)...)
	cmd.Err = err
	cmd.Env = []string{"GOMAXPROCS=1", "HOME=/", "GODEBUG=asyncpreemptoff=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	return cmd
}

// Launch is the child's part: change the root, enter, become the user,
// execute. A bystander handles no signals: what is not ignored by default ends
// or stops it.
func Launch(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("launch %q: want a cell, a root, a user and a program", args)
	}
	cell, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return fmt.Errorf("read cell: %w", err)
	}
	uid, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("read user: %w", err)
	}
	runtime.LockOSThread()
	if cell != 0 {
		if err := errors.Join(unix.Chroot(args[1]), unix.Chdir("/"), node.Enter(uint32(cell))); err != nil {
			return fmt.Errorf("enter cell %d: %w", cell, err)
		}
	}
	if uid != 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)); err != nil {
			return fmt.Errorf("become user %d: %w", uid, err)
		}
	}
	if !slices.Contains(args, IdleArg) {
		if err := ownStreams(); err != nil {
			return err
		}
	}
	return fmt.Errorf("execute %s: %w", args[3], unix.Exec(args[3], args[3:], os.Environ()))
}

// ownStreams gives an adversary a pipe that leads nowhere: what it does to a
// file or a device of the host's it could do by a descriptor that the host has
// handed in, and to one of its own it would need again.
func ownStreams() error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	for std, end := range []int{fds[0], fds[1], fds[1]} {
		if err := unix.Dup2(end, std); err != nil {
			return fmt.Errorf("use pipe: %w", err)
		}
	}
	return nil
}

// Idle says that it is there, and waits for the end of its input.
func Idle() error {
	if _, err := os.Stdout.WriteString("ready\n"); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// idler is a process that does nothing.
type idler struct {
	cmd *exec.Cmd
	in  io.Closer
}

// lowest is more than a descriptor of an adversary can be: a process has a
// number that is nothing else.
const lowest = attack.MaxDescriptors

// idle starts one.
func (p place) idle(path string) (*idler, error) {
	for {
		x, err := p.oneIdle(path)
		if err != nil || x.cmd.Process.Pid > lowest {
			return x, err
		}
		x.end()
	}
}

// oneIdle starts one and waits until it runs its program.
func (p place) oneIdle(path string) (*idler, error) {
	cmd := p.command(path, IdleArg)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a bystander: %w", err)
	}
	x := &idler{cmd, in}
	// An error comes with less than the line.
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		x.end()
		return nil, errors.Join(fmt.Errorf("start a bystander: it says %q", line), err)
	}
	return x, nil
}

func (x *idler) end() {
	_ = x.cmd.Process.Kill()
	_ = x.in.Close()
	_ = x.cmd.Wait()
}
