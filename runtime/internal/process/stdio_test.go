package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// Only what the caller gave for writing becomes the user's: no device of the host,
// no directory, and no file that was opened to be read.
func TestWhatIsGivenAway(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	socket, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string, flags int) int {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	const other = 54321
	own := uint32(os.Geteuid())
	fds := []struct {
		what  string
		fd    int
		uid   uint32
		given bool
	}{
		{"a pipe", pipe[0], other, true},
		{"a pipe's other end", pipe[1], other, true},
		{"the user's own pipe", pipe[1], own, false},
		{"a file to write", open(name, unix.O_WRONLY), other, true},
		{"a file to read and write", open(name, unix.O_RDWR), other, true},
		{"a file to append to", open(name, unix.O_WRONLY|unix.O_APPEND), other, true},
		{"a file to read", open(name, unix.O_RDONLY), other, false},
		{"the user's own file", open(name, unix.O_WRONLY), own, false},
		{"a device", open("/dev/null", unix.O_RDWR), other, false},
		{"a directory", open(t.TempDir(), unix.O_RDONLY), other, false},
		{"a socket", socket[0], other, false},
		{"nothing", -1, other, false},
	}
	for _, c := range fds {
		if got := givable(c.fd, c.uid); got != c.given {
			t.Errorf("%s is given away: %v", c.what, got)
		}
		want := 0
		if c.given {
			want = 1
		}
		s := Streams{c.fd, -1, -1}
		if steps := s.GiveSteps(&oci.Process{UID: c.uid}); len(steps) != want {
			t.Errorf("%s: %d steps; want %d", c.what, len(steps), want)
		}
		if steps := s.GiveSteps(&oci.Process{UID: c.uid, Terminal: true}); len(steps) != 0 {
			t.Errorf("%s: %d steps beside a terminal", c.what, len(steps))
		}
		_ = unix.Close(c.fd)
	}
	_, _ = unix.Close(pipe[0]), unix.Close(socket[1])
}

// The null device is found by its number, whatever else is open.
func TestNullDevices(t *testing.T) {
	open := func(name string) int {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	s := Streams{open("/dev/zero"), open("/dev/null"), open(t.TempDir())}
	if got := s.null(); len(got) != 1 || got[0] != 1 {
		t.Errorf("null devices: %v; want descriptor 1", got)
	}
	if steps, err := s.nullSteps(); err != nil || len(steps) != 3 { // open, dup, close
		t.Errorf("%d steps, %v; want 3", len(steps), err)
	}
	if steps, err := (Streams{s[0], s[2], -1}).nullSteps(); err != nil || len(steps) != 0 {
		t.Errorf("%d steps, %v; want none", len(steps), err)
	}
}
