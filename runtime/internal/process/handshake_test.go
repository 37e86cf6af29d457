package process

import (
	"errors"
	"io"
	"os"
	"testing"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

func newTestLink(t *testing.T) *Link {
	t.Helper()
	l, err := NewLink()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// pipeFD is the descriptor for reading from a pipe that has text in it, and no more.
func pipeFD(t *testing.T, text string) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	_, err = w.WriteString(text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return int(r.Fd())
}

func readAll(t *testing.T, fd int) string {
	t.Helper()
	f := os.NewFile(uintptr(fd), "received")
	if f == nil {
		t.Fatalf("descriptor %d is none", fd)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Both ends are this process's alone, and closing one twice closes nobody else's.
func TestLinkIsClosedOnce(t *testing.T) {
	l := newTestLink(t)
	for _, fd := range []int{l.Parent, l.Child} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d has the flags %#x, %v; want close-on-exec", fd, flags, err)
		}
	}
	parent, child := l.Parent, l.Child
	l.CloseChild()
	if isOpen(child) || !isOpen(parent) {
		t.Error("not only the child's end was closed")
	}
	l.Close()
	if isOpen(parent) || *l != (Link{-1, -1}) {
		t.Errorf("the link is %+v after Close; want -1 twice", *l)
	}
}

// The child tells, with a descriptor of its own, and waits until it may go on, with
// one of the parent's and what is HOME.
func TestHandshake(t *testing.T) {
	const given, taken = "the child's", "the parent's"
	own, back := pipeFD(t, given), pipeFD(t, taken)
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = out.Close(), w.Close() }()
	l := newTestLink(t)
	ready, home, buf := NewMessage(true), new(Home), new([64]byte)
	goOn := NewGo(true, home)
	dup := stage.OnFD("copy the descriptor", unix.SYS_DUP, own)
	dup.Store, dup.Keep = ready.FdAddr(), []any{ready}
	read := stage.Sys("read from what came", unix.SYS_READ, goOn.FdAddr(), AddressOf(buf), uintptr(len(buf)))
	read.From[0], read.Keep, read.Exact, read.Want = stage.Load32, []any{goOn, buf}, true, uintptr(len(taken))
	write := func(what string, from *byte, n int) stage.Step {
		s := stage.OnFD("write "+what, unix.SYS_WRITE, int(w.Fd()), uintptr(unsafe.Pointer(from)), uintptr(n))
		s.Keep, s.Exact, s.Want = []any{home, buf}, true, uintptr(n)
		return s
	}
	prog := &stage.Program{Steps: []stage.Step{
		dup,
		l.SendStep("send ready", 1, ready),
		l.ReceiveStep("wait for the parent", goOn),
		read,
		write("what came", &buf[0], len(taken)),
		write("HOME", home.Addr(), len(home)),
		l.SendStep("send created", 6, NewMessage(false)),
		l.LeaveStep("let go of the parent"),
	}}
	ended := make(chan error, 1)
	go func() { ended <- Do(prog) }()
	var fd int
	soon(t, "Receive", func() { fd, err = l.Receive(prog.Names()) })
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, fd); got != given {
		t.Errorf("the descriptor that came reads %q; want %q", got, given)
	}
	sent := new(Home)
	sent.Set("/home/user")
	if err := l.SendGo(back, sent); err != nil {
		t.Fatal(err)
	}
	soon(t, "Receive", func() { fd, err = l.Receive(prog.Names()) })
	if fd != -1 || err != nil {
		t.Errorf("a message without a descriptor gives %d, %v; want -1", fd, err)
	}
	soon(t, "Do", func() {
		if err := <-ended; err != nil {
			t.Errorf("the child: %v", err)
		}
	})
	_ = w.Close()
	if got := readAll(t, dupFD(t, out)); got != taken+string(sent[:]) {
		t.Errorf("the child has got %q; want %q and HOME", got, taken)
	}
	l.CloseChild()
	if fd, err := l.Receive(nil); fd != -1 || !errors.Is(err, errChildGone) {
		t.Errorf("Receive from nobody = %d, %v; want errChildGone", fd, err)
	}
	if err := l.SendGo(-1, sent); err == nil {
		t.Error("nobody is let go on without an error")
	}
}

func dupFD(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// A parent's message has the descriptor 0 with it, too, and none when there is
// none. A message that is too short for what the child expects ends it.
func TestSendGo(t *testing.T) {
	home := new(Home)
	for _, given := range []int{0, -1} {
		l := newTestLink(t)
		if err := l.SendGo(given, home); err != nil {
			t.Fatal(err)
		}
		data, oob := make([]byte, 2*len(home)), make([]byte, 64)
		n, oobn, _, _, err := unix.Recvmsg(l.Child, data, oob, 0)
		if err != nil || n != stage.RecordSize+len(home) {
			t.Errorf("%d bytes, %v; want %d", n, err, stage.RecordSize+len(home))
		}
		fd := parseRights(oob[:oobn])
		if (fd >= 0) != (given >= 0) {
			t.Errorf("with descriptor %d came %d", given, fd)
		}
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	l := newTestLink(t)
	if _, err := unix.Write(l.Parent, make([]byte, stage.RecordSize)); err != nil {
		t.Fatal(err)
	}
	err := Do(&stage.Program{Steps: []stage.Step{l.ReceiveStep("wait for the parent", NewGo(false, home))}})
	if !errors.Is(err, unix.EPIPE) {
		t.Errorf("a short message from the parent: %v; want EPIPE", err)
	}
}

// The failed step of a child is an error, with which no descriptor comes.
func TestReceiveTellsWhatFailed(t *testing.T) {
	l := newTestLink(t)
	fd := pipeFD(t, "")
	for _, c := range []struct {
		text []byte
		want string
	}{
		{record(1, unix.ENOSPC), "second: no space left on device"},
		{record(1, 0)[:3], "parse stage record: 3 bytes, want 8"},
	} {
		if err := unix.Sendmsg(l.Child, c.text, unix.UnixRights(fd), nil, 0); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Receive([]string{"first", "second"}); got != -1 || err == nil || err.Error() != c.want {
			t.Errorf("Receive = %d, %v; want %s", got, err, c.want)
		}
	}
}

func record(index uint32, errno unix.Errno) []byte {
	rec := stage.Record{Index: index, Errno: uint32(errno)}
	return unsafe.Slice((*byte)(unsafe.Pointer(&rec)), stage.RecordSize)
}

// Only one descriptor is what came along, and nothing else is.
func TestParseRights(t *testing.T) {
	for what, c := range map[string]struct {
		oob  []byte
		want int
	}{
		"one":          {unix.UnixRights(5), 5},
		"two":          {unix.UnixRights(5, 6), -1},
		"no message":   {nil, -1},
		"half of one":  {unix.UnixRights(5)[:unix.CmsgLen(0)-1], -1},
		"two messages": {append(unix.UnixRights(5), unix.UnixRights(6)...), -1},
		"another kind": {func() []byte {
			b := unix.UnixRights(5)
			(*unix.Cmsghdr)(unsafe.Pointer(&b[0])).Type++
			return b
		}(), -1},
	} {
		if got := parseRights(c.oob); got != c.want {
			t.Errorf("%s: %d; want %d", what, got, c.want)
		}
	}
}

// The report is read whole, whether it has ended or not, and says of nothing in it
// that no program runs.
func TestReadStageError(t *testing.T) {
	names := []string{"first", "second"}
	execs := record(^uint32(0)-1, 0)
	for _, c := range []struct {
		what   string
		report []byte
		want   error
	}{
		{"the exec", execs, nil},
		{"marks and the exec", append(record(0, 0), execs...), nil},
		{"a step that failed", record(1, unix.ENOSPC), unix.ENOSPC},
		{"the exec, which failed", append(record(^uint32(0)-1, 0), record(1, unix.ENOENT)...), unix.ENOENT},
		{"as much as there is room for", append(append(append(record(0, 0), record(1, 0)...), execs...), record(1, unix.EIO)...), unix.EIO},
		{"nothing", nil, stage.ErrKilled},
		{"a mark", record(0, 0), stage.ErrKilled},
	} {
		for _, open := range []bool{false, true} {
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Write(p[1], c.report); err != nil && len(c.report) > 0 {
				t.Fatal(err)
			}
			if !open {
				_ = unix.Close(p[1])
			}
			if err := ReadStageError(p[0], names); !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%s, open %v: %v; want %v", c.what, open, err, c.want)
			}
			_ = unix.Close(p[0])
			if open {
				_ = unix.Close(p[1])
			}
		}
	}
	if err := ReadStageError(-1, names); !errors.Is(err, unix.EBADF) {
		t.Errorf("a report that can't be read: %v; want EBADF", err)
	}
}
