package launch

import (
	"os"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/runtime/internal/process"
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
	if s, err := (Caller{}).openStreams(); err != nil || s != process.OwnStreams {
		t.Errorf("without files: %v, %v; want our own", s, err)
	}
	if s, err := (Caller{Streams: &[3]*os.File{}}).openStreams(); err != nil {
		t.Error(err)
	} else {
		if status, err := unix.FcntlInt(uintptr(s[1]), unix.F_GETFL, 0); err != nil || status&unix.O_ACCMODE != unix.O_RDWR {
			t.Errorf("the null device has the status %#x, %v; want it for reading and writing", status, err)
		}
		s.Close()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][3]*os.File{{w, nil, nil}, {nil, w, nil}, {nil, nil, w}} {
		if _, err := (Caller{Streams: &files}).openStreams(); err == nil {
			t.Error("a closed file is a stream")
		}
	}
	for fd := range stdio { // the caller's stay
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			t.Errorf("descriptor %d is closed: %v", fd, err)
		}
	}
}

// A directory is none, whoever gives it.
func TestDirectoryIsNoStream(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	for i, want := range []string{"descriptor 0 is a directory", "descriptor 1 is a directory", "descriptor 2 is a directory", ""} {
		var files [3]*os.File
		if i < len(files) {
			files[i] = dir
		}
		err := Caller{Streams: &files}.checkStreams()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("checkStreams = %v; want %q", err, want)
		}
	}
	if err := (Caller{}).checkStreams(); err != nil {
		t.Errorf("our own: %v", err)
	}
}
