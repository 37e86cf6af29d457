package harness

// The console socket's listening end.

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Console listens on a console socket and keeps the terminal it is sent.
type Console struct {
	t      *T
	Path   string
	listen *net.UnixListener
	done   chan struct{}

	// After Master: what came with the terminal.
	Payload  []byte
	Messages int // control messages in the datagram
	FDs      int // descriptors in all of them
	More     int // bytes that followed

	mu     sync.Mutex
	master *os.File
	output bytes.Buffer
}

// Console makes a console socket at a path below the case's directory.
func (t *T) Console(elem ...string) *Console {
	c := &Console{t: t, Path: t.Path(elem...), done: make(chan struct{})}
	l, err := listenUnix(c.Path)
	t.Must("listen on console socket", err)
	c.listen = l
	go c.serve()
	t.Cleanup(c.Close)
	return c
}

// listenUnix binds from inside the directory, so that the path may be longer
// than sun_path. The worker runs one case and has no other use for its cwd.
func listenUnix(path string) (*net.UnixListener, error) {
	back, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("get cwd: %w", err)
	}
	if err := os.Chdir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("enter socket's directory: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Base(path)})
	if err == nil {
		l.SetUnlinkOnClose(false)
	}
	return l, errors.Join(err, os.Chdir(back))
}

func (c *Console) serve() {
	defer close(c.done)
	conn, err := c.listen.AcceptUnix()
	if err != nil {
		return
	}
	defer conn.Close()
	payload, oob := make([]byte, 8192), make([]byte, 1024)
	n, oobn, _, _, err := conn.ReadMsgUnix(payload, oob)
	if err != nil {
		return
	}
	c.Payload = payload[:n]
	messages, _ := unix.ParseSocketControlMessage(oob[:oobn])
	c.Messages = len(messages)
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			if c.FDs++; c.FDs == 1 {
				c.keep(fd)
			} else {
				_ = unix.Close(fd)
			}
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(c.t.Limit(2 * time.Second)))
	c.More, _ = conn.Read(payload)
}

// keep reads the terminal's output as it comes.
func (c *Console) keep(fd int) {
	_ = unix.SetNonblock(fd, true)
	f := os.NewFile(uintptr(fd), "terminal")
	c.mu.Lock()
	c.master = f
	c.mu.Unlock()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			c.mu.Lock()
			c.output.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

// Received says whether the terminal has arrived by now.
func (c *Console) Received() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.master != nil
}

// Master waits for the terminal's master end.
func (c *Console) Master() *os.File {
	c.t.Eventually(c.Received, "no terminal arrived on the console socket")
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.master
}

// Finished waits until the sender has closed its connection.
func (c *Console) Finished() {
	select {
	case <-c.done:
	case <-time.After(c.t.Limit(5 * time.Second)):
		c.t.Fatalf("in vain: the console connection is still open")
	}
}

// Output gives what the terminal printed, with plain line ends.
func (c *Console) Output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(c.output.String(), "\r\n", "\n")
}

// Lines parses the probe's lines from the terminal.
func (c *Console) Lines() Lines { return ParseLines(c.Output()) }

// WaitLine waits for an operation's line on the terminal.
func (c *Console) WaitLine(op string) {
	c.t.Eventually(func() bool {
		_, ok := c.Lines().Find(op)
		return ok
	}, "no %q from the terminal; output %q", op, lazy(c.Output))
}

// Close hangs up.
func (c *Console) Close() {
	_ = c.listen.Close()
	_ = os.Remove(c.Path)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.master != nil {
		_ = c.master.Close()
	}
}
