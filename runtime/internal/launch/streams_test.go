package launch

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// None covers another, whatever the caller gives: each is a descriptor of our
// own behind the first three, blocks, closes with an exec, and ends with Close.
func TestStreamsAreOurOwn(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, files := range [][3]*os.File{{os.Stderr, os.Stdin, os.Stdin}, {nil, nil, nil}, {r, w, w}} {
		s, err := Caller{Streams: &files}.openStreams()
		if err != nil {
			t.Fatal(err)
		}
		for i, fd := range s {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if fd < stdio || err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("descriptor %d is made of %d, flags %#x, %v", i, fd, flags, err)
			}
			if status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || status&unix.O_NONBLOCK != 0 {
				t.Errorf("descriptor %d has the status %#x, %v; want one that blocks", i, status, err)
			}
		}
		s.Close()
		for _, fd := range s {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				t.Errorf("descriptor %d is left open", fd)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := (Caller{Streams: &[3]*os.File{nil, w, nil}}).openStreams(); err == nil {
		t.Error("a closed file is a stream")
	}
}
