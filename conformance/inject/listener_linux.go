package inject

// The suite's side of a filter: each call of the command is counted, and the
// one that was asked for fails.

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif: a call that waits for an answer.
type notification struct {
	ID    uint64
	Pid   uint32 // the thread's
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	ID    uint64
	Val   int64
	Error int32 // negative errno
	Flags uint32
}

// fault is what is done at a call. The zero fault only counts.
type fault struct {
	call  string
	nth   int           // of that name, from 1
	errno syscall.Errno // 0 kills the process that makes it
}

func (f fault) String() string { return fmt.Sprintf("%s #%d", f.call, f.nth) }

// counter counts the calls of a command, and puts a fault into one of them.
type counter struct {
	ours []identity // programs whose calls are not the runtime's

	mu      sync.Mutex
	running bool // the command under test has begun and has not ended
	counts  map[string]int
	fault   fault
	struck  string // the call that the fault was put into, once it was
}

// identity is a program's file.
type identity struct{ dev, ino uint64 }

func identify(path string) (identity, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return identity{}, fmt.Errorf("identify %s: %w", path, err)
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}

// begin makes the calls from now on count, with a fault for one of them.
func (c *counter) begin(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.counts, c.fault, c.struck = true, map[string]int{}, f, ""
}

// end stops counting and gives the counts, and what the fault struck.
func (c *counter) end() (counts map[string]int, struck string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	return c.counts, c.struck
}

// serve answers a listener until no process has its filter any more: also the
// container's, which keeps it.
func (c *counter) serve(listener int) {
	defer unix.Close(listener)
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); errors.Is(err, unix.EINTR) {
			continue
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			return
		}
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue // it was killed meanwhile
		}
		a, killed := c.decide(&n)
		if killed {
			continue // an answer could still let the call be made
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
	}
}

// decide says what becomes of a call.
func (c *counter) decide(n *notification) (a answer, killed bool) {
	goOn := answer{ID: n.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running || !c.ofRuntime(n) {
		return goOn, false
	}
	call := name(int(n.Nr))
	c.counts[call]++
	if call != c.fault.call || c.counts[call] != c.fault.nth {
		return goOn, false
	}
	c.struck = strings.TrimSpace(call + " " + subject(n))
	if c.fault.errno == 0 {
		return goOn, unix.Kill(group(n.Pid), unix.SIGKILL) == nil
	}
	return answer{ID: n.ID, Error: -int32(c.fault.errno)}, false
}

// ofRuntime says whether a call is the runtime's: not of a program that it has
// executed, and not what the Go runtime can't do without.
func (c *counter) ofRuntime(n *notification) bool {
	if goNeeds(n) {
		return false
	}
	program, err := identify(fmt.Sprintf("/proc/%d/exe", n.Pid))
	if err != nil {
		return false
	}
	for _, other := range c.ours {
		if program == other {
			return false
		}
	}
	return true
}

// goNeeds says whether the Go runtime ends the program where a call fails: a new
// thread, and the wake-up of the one that polls.
func goNeeds(n *notification) bool {
	switch n.Nr {
	case unix.SYS_CLONE:
		return n.Args[0]&unix.CLONE_THREAD != 0
	case unix.SYS_READ, unix.SYS_WRITE:
		return subject(n) == "anon_inode:[eventfd]"
	}
	return false
}

// group is the process of a thread.
func group(tid uint32) int {
	var pid int
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	_, after, _ := strings.Cut(string(status), "\nTgid:")
	if _, err := fmt.Sscan(after, &pid); err != nil {
		return int(tid)
	}
	return pid
}

// receive takes a listener from the other end of the socket.
func receive(socket int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("receive listener: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return -1, fmt.Errorf("receive listener: %w", err)
	}
	if len(messages) != 1 {
		return -1, fmt.Errorf("receive listener: %d messages, not one", len(messages))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, fmt.Errorf("receive listener: %w", err)
	}
	if len(fds) != 1 {
		return -1, fmt.Errorf("receive listener: %d descriptors, not one", len(fds))
	}
	return fds[0], nil
}
