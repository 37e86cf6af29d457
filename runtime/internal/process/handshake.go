package process

// How the parent and the forked child talk: a pair of sockets with record
// boundaries. The child's program sends and receives whole messages, each
// one system call prepared before the fork; a descriptor may come along.
//
//	child  → parent  ready    (with the proc mount that only it can make)
//	parent → child   go       (with the terminal's slave, and the user's HOME)
//	child  → parent  created  (nothing can fail any more but the exec)
//
// When the parent dies, the child's receive returns 0 and it exits.

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Link is the parent's view of the pair: two descriptors, -1 once closed.
type Link struct{ Parent, Child int }

// NewLink makes a pair that no exec hands on.
func NewLink() (*Link, error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	return &Link{Parent: p[0], Child: p[1]}, nil
}

// CloseChild closes the child's end, once it is forked.
func (l *Link) CloseChild() {
	sys.CloseFD(l.Child)
	l.Child = -1
}

// Close closes both ends.
func (l *Link) Close() {
	l.CloseChild()
	sys.CloseFD(l.Parent)
	l.Parent = -1
}

// Message is a msghdr with its buffers, kept on the heap for the child.
type Message struct {
	hdr  unix.Msghdr
	iov  [2]unix.Iovec
	data [stage.RecordSize]byte
	ctl  [64]byte // one SCM_RIGHTS with one descriptor
}

// NewMessage makes a message, with room for a descriptor if one comes along.
func NewMessage(withFD bool) *Message {
	m := new(Message)
	m.iov[0].Base = &m.data[0]
	m.iov[0].SetLen(len(m.data))
	m.hdr.Iov = &m.iov[0]
	m.hdr.SetIovlen(1)
	if withFD {
		m.hdr.Control = &m.ctl[0]
		m.hdr.SetControllen(unix.CmsgSpace(4))
		h := (*unix.Cmsghdr)(unsafe.Pointer(&m.ctl[0]))
		h.Level, h.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
		h.SetLen(unix.CmsgLen(4))
	}
	return m
}

// NewGo makes the message by which the parent lets the child go on. home is
// there afterwards.
func NewGo(withFD bool, home *Home) *Message {
	m := NewMessage(withFD)
	m.iov[1].Base = home.Addr()
	m.iov[1].SetLen(len(home))
	m.hdr.SetIovlen(len(m.iov))
	return m
}

// FdAddr is where the descriptor's number lies in the control data, for a step
// that loads or stores it.
func (m *Message) FdAddr() uintptr {
	return uintptr(unsafe.Pointer(&m.ctl[unix.CmsgLen(0)]))
}

// SendStep makes the child send a mark, with the descriptor that an earlier
// step has stored at m.FdAddr() when m was made with one. index is the step's
// own in the program.
func (l *Link) SendStep(name string, index int, m *Message) stage.Step {
	*(*stage.Record)(unsafe.Pointer(&m.data[0])) = stage.Record{Index: uint32(index)}
	return stage.Step{
		Name: name, Nr: unix.SYS_SENDMSG,
		Args:  [6]uintptr{uintptr(l.Child), uintptr(unsafe.Pointer(&m.hdr)), unix.MSG_NOSIGNAL},
		Keep:  []any{m},
		Exact: true, Want: stage.RecordSize,
	}
}

// ReceiveStep makes the child wait for the message of SendGo; m is of NewGo.
func (l *Link) ReceiveStep(name string, m *Message) stage.Step {
	return stage.Step{
		Name: name, Nr: unix.SYS_RECVMSG,
		Args:  [6]uintptr{uintptr(l.Child), uintptr(unsafe.Pointer(&m.hdr)), recvFlags},
		Keep:  []any{m},
		Exact: true, Want: stage.RecordSize + uintptr(len(Home{})),
	}
}

// errChildGone means that the child ended without saying why.
var errChildGone = errors.New("the container's process ended before it was set up")

// LeaveStep makes the child let go of its end.
func (l *Link) LeaveStep(name string) stage.Step {
	return stage.OnFD(name, unix.SYS_CLOSE, l.Child)
}

// Receive waits for the child's next message. It returns the descriptor that
// came along (-1 = none), and the failed step as an error.
func (l *Link) Receive(names []string) (fd int, err error) {
	var data [stage.RecordSize]byte
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	for {
		n, oobn, _, _, err = unix.Recvmsg(l.Parent, data[:], oob, recvFlags)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return -1, fmt.Errorf("read from the container's process: %w", err)
	}
	if n == 0 {
		return -1, errChildGone
	}
	fd = parseRights(oob[:oobn])
	rec, err := stage.ParseRecord(data[:n])
	if err == nil {
		err = rec.Err(names)
	}
	if err != nil {
		sys.CloseFD(fd)
		return -1, err
	}
	return fd, nil
}

// parseRights gives the one descriptor of a message's control data, -1 if it has
// not one.
func parseRights(oob []byte) int {
	msgs, _ := unix.ParseSocketControlMessage(oob) // none after an error
	if len(msgs) != 1 {
		return -1
	}
	fds, _ := unix.ParseUnixRights(&msgs[0])
	if len(fds) != 1 {
		return -1
	}
	return fds[0]
}

// SendGo lets the child go on, with fd unless it is negative.
func (l *Link) SendGo(fd int, home *Home) error {
	data := make([]byte, stage.RecordSize, stage.RecordSize+len(home))
	data = append(data, home[:]...)
	var oob []byte
	if fd >= 0 {
		oob = unix.UnixRights(fd)
	}
	if err := unix.Sendmsg(l.Parent, data, oob, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("write to the container's process: %w", err)
	}
	return nil
}

// ReadStageError reads the step that a child's program has reported as failed
// from a descriptor that does not block; names are the program's steps. A report
// that does not say that the exec came next is an error, too.
func ReadStageError(fd int, names []string) error {
	report := make([]byte, (len(names)+2)*stage.RecordSize)
	filled := 0
	for {
		n, err := unix.Read(fd, report[filled:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN): // it has executed the program, and is closing
			n = 0
		case err != nil:
			return fmt.Errorf("read the report of the container's process: %w", err)
		}
		if n == 0 {
			break
		}
		filled += n
	}
	return stage.Outcome(report[:filled], names)
}
