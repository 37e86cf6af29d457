// Package console makes a process's terminal from the container's own pty file
// system, and hands the master to the caller's console socket, or relays it to
// our own terminal when a command stays in the foreground. Neither end is opened
// by a name that the container could have replaced, and the host's own ptys are
// never handed to a container.
package console

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// maxSunPath is the longest socket path that every system takes (NetBSD: 104
// bytes with the terminating zero).
const maxSunPath = 103

// Check applies the callers' contract (runc's): a console socket, and who else
// has asked for it, needs a terminal, and a terminal that nobody relays needs one
// of them.
func Check(terminal, detached bool, socket string, wanted bool) error {
	switch {
	case socket != "" && wanted:
		return errors.New("the terminal is wanted twice: by a socket and by a function")
	case wanted && !terminal:
		return errors.New("a function is given for the terminal but process.terminal is false")
	case wanted:
		return nil
	case socket != "" && !terminal:
		return errors.New("--console-socket is given but process.terminal is false")
	case terminal && detached && socket == "":
		return errors.New("process.terminal is true and the process is detached: --console-socket is needed")
	}
	return nil
}

// Dial connects to a socket that the caller has named with a flag. Its path may
// be of any length. A listener that is busy is waited for until the context ends.
func Dial(ctx context.Context, flag, path string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket for %s: %w", flag, err)
	}
	if err = connect(ctx, fd, path); err == nil {
		err = unix.SetNonblock(fd, false) // what is sent may wait
	}
	if err != nil {
		sys.CloseFD(fd)
		return -1, fmt.Errorf("connect to %s %s: %w", flag, path, err)
	}
	return fd, nil
}

// connect tries until the listener has room for one more: Linux would wait in the
// call, where no signal reaches us, and has no event for a socket that does not.
func connect(ctx context.Context, fd int, path string) error {
	const again = 10 * time.Millisecond
	for waiting := false; ; waiting = true {
		err := connectUnix(fd, path)
		if !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if !waiting {
			step.Say("wait until the listener at %s takes a connection", path)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(again):
		}
	}
}

// connectUnix reaches a path that is too long for struct sockaddr_un from
// its own directory. The working directory is the whole process's, so a child
// goes there: the socket is connected for both.
func connectUnix(fd int, path string) error {
	if len(path) <= maxSunPath {
		return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	name := filepath.Base(path)
	if len(name) > maxSunPath {
		return fmt.Errorf("its name has %d bytes, and the kernel takes %d: %w", len(name), maxSunPath, unix.ENAMETOOLONG)
	}
	enter, err := stage.Path("enter its directory", unix.SYS_CHDIR, filepath.Dir(path))
	if err != nil {
		return err
	}
	addr := sockaddr(name)
	connect := stage.OnFD("connect", unix.SYS_CONNECT, fd, process.AddressOf(addr), unsafe.Sizeof(*addr))
	connect.Keep = []any{addr}
	return process.Do(&stage.Program{Inherit: 3, Steps: []stage.Step{enter, connect}})
}

// sockaddr is the address of a name, followed by zeros.
func sockaddr(name string) *unix.RawSockaddrUnix {
	addr := &unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i := range len(name) {
		addr.Path[i] = int8(name[i])
	}
	return addr
}

// Send sends the master with the slave's name as the message: one
// sendmsg(2), one descriptor, no answer.
func Send(sock, master int, name string) error {
	return send(sock, master, name, "terminal to --console-socket")
}

// send sends one descriptor; what says which, and where to. Who has closed the
// socket costs an error and no SIGPIPE.
func send(sock, fd int, message, what string) error {
	if err := unix.Sendmsg(sock, []byte(message), unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send %s: %w", what, err)
	}
	return nil
}

// SlaveSteps make the descriptor at addr the child's controlling terminal.
func SlaveSteps(addr uintptr, keep any) []stage.Step {
	var steps []stage.Step
	for fd := range uintptr(3) {
		s := dupStep(fmt.Sprintf("make terminal descriptor %d", fd), addr, fd)
		s.Keep = []any{keep}
		steps = append(steps, s)
	}
	return append(steps, stage.Sys("take controlling terminal", unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0))
}

// SetSize sets a terminal's size; nil leaves it.
func SetSize(fd int, s *oci.Size) error {
	if s == nil || s.Height == 0 && s.Width == 0 {
		return nil
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: s.Height, Col: s.Width}); err != nil {
		return fmt.Errorf("set process.consoleSize: %w", err)
	}
	return nil
}

// SizeSteps set it by the child, for a program that is not waited for: it finds
// the size from its first instruction on. They come after the terminal's.
func SizeSteps(s *oci.Size) []stage.Step {
	if s == nil || s.Height == 0 && s.Width == 0 {
		return nil
	}
	ws := &unix.Winsize{Row: s.Height, Col: s.Width}
	step := stage.Sys("set process.consoleSize", unix.SYS_IOCTL, 0, unix.TIOCSWINSZ, process.AddressOf(ws))
	step.Keep = []any{ws}
	return []stage.Step{step}
}
