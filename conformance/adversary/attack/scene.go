package attack

// What an attempt finds: files and descriptors of its own. They are made anew
// after each that was not refused, so that none sees what another one did.

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

type scene struct {
	dir string
	fds map[string]int
}

// set makes the directory and the descriptors.
func (s *scene) set() error {
	if err := s.files(); err != nil {
		return fmt.Errorf("make the scene: %w", err)
	}
	for i, o := range openings() {
		fd, err := o.open()
		if err != nil {
			s.fds[o.name] = -1 // this system has none
			continue
		}
		to := firstFD + i
		if err := unix.Dup2(fd, to); err != nil {
			return fmt.Errorf("make the scene: %s: %w", o.name, err)
		}
		_ = unix.Close(fd)
		s.fds[o.name] = to
	}
	return nil
}

// files makes a directory with a file and a directory in it, and works there.
func (s *scene) files() error {
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	unfix(s.dir)
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	return errors.Join(
		os.Mkdir(s.dir, 0o777), unix.Chdir(s.dir),
		os.WriteFile("file", []byte("content of the adversary's own file\n"), 0o666), os.Mkdir("dir", 0o777),
	)
}

// firstFD is the descriptor of the first opening.
const firstFD = 60

// opening is a descriptor that arguments can name.
type opening struct {
	name string
	open func() (int, error)
}

func openings() []opening {
	list := []opening{
		{"file", func() (int, error) { return unix.Open("file", unix.O_RDWR, 0) }},
		{"dir", func() (int, error) { return unix.Open(".", unix.O_RDONLY, 0) }},
		{"null", func() (int, error) { return unix.Open("/dev/null", unix.O_RDWR, 0) }},
		{"sock", func() (int, error) { return unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0) }},
		{"tcp", func() (int, error) { return unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0) }},
		{"local", func() (int, error) { return unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0) }},
		{"pipe", pipeEnd},
	}
	return append(list, systemOpenings()...)
}

// pipeEnd is the end that is read from; nobody has the other.
func pipeEnd() (int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], 0); err != nil {
		return 0, err
	}
	_ = unix.Close(fds[1])
	return fds[0], nil
}
