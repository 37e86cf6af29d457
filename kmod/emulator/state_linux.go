package emulator

// The state file: what secmodel_cell keeps in the kernel. It is a journal: a
// change adds a line, under a lock on the directory, and whoever reads it sees
// it as it was before a change or after, without a lock.
//
//	cells 2 BOOT        the format's version, the boot id; 2-published for the
//	                    cells of that module
//	1 TAB web TAB ...   cell 1 is new, or has changed
//	1                   cell 1 is gone

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

const (
	stateDir     = "@cells" // below the state root; not a container id
	stateFile    = "cells"
	stateWord    = "cells "
	stateVersion = "2"
	// An older runcell must not take these cells for the other module's, so
	// the word for it is part of the version.
	statePublished = stateVersion + "-" + string(Published)
	// slack is how much of the file may be lines that no longer hold, besides
	// as much again as those that do. Then it is written anew.
	slack = 4096
)

// state is the file's content.
type state struct {
	boot   string // the kernel's boot id: no cell outlives a reboot
	module Module // whose cells these are
	// next is the id of the next cell. Ids are never reused.
	next kmod.ID
	rows []row // ascending, so the oldest is first
	// size is what the file has; 0 when it has to be written anew, because it
	// is not there, of another boot, or ends in the middle of a line.
	size  int
	added []byte       // the lines for the changes since
	after func() error // what follows once they are written, under the lock
}

func newState(boot string) *state { return &state{boot: boot, module: Current, next: 1} }

// parseState reads the file. The rows share b's memory. An incomplete last
// line is one that is being written, or whose writer was killed or had no
// room: that change is not made. A file that was not on the disk yet when the
// machine lost its power is empty or begins with zeros.
func parseState(b []byte, boot string) (*state, error) {
	s := newState(boot)
	if len(b) == 0 || b[0] == 0 {
		return s, nil
	}
	whole := b[:bytes.LastIndexByte(b, '\n')+1]
	line, rest, _ := bytes.Cut(whole, []byte("\n"))
	head, ok := strings.CutPrefix(string(line), stateWord)
	version, in, _ := strings.Cut(head, " ")
	if ok && in != "" && in != boot {
		return s, nil
	}
	if version == statePublished {
		version, s.module = stateVersion, Published
	}
	if !ok || version != stateVersion || in == "" {
		return nil, fmt.Errorf("parse cells, line 1: %q, want %q (if another version of runcell wrote it, end its cells and remove the file)",
			line, stateWord+stateVersion+" "+boot)
	}
	if len(whole) == len(b) {
		s.size = len(b)
	}
	for n := 2; len(rest) > 0; n++ {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if err := s.apply(line); err != nil {
			return nil, fmt.Errorf("parse cells, line %d: %w", n, err)
		}
	}
	return s, nil
}

// apply makes the change of one line.
func (s *state) apply(line []byte) error {
	number, rest, isCell := bytes.Cut(line, []byte("\t"))
	id, err := parseID(number)
	if err != nil {
		return err
	}
	if !isCell {
		return s.drop(id)
	}
	r, err := parseRow(id, rest)
	if err != nil {
		return err
	}
	return s.put(r)
}

// put adds a cell or replaces it.
func (s *state) put(r row) error {
	i := s.index(r.id)
	switch {
	case r.id >= s.next:
		s.rows = append(s.rows, r)
		s.next = r.id + 1
	case i < 0:
		return fmt.Errorf("id %d is out of order", r.id)
	default:
		s.rows[i] = r
	}
	return nil
}

// drop removes a cell. The last id that was given is dropped in any case: a
// file that is written anew would not tell it otherwise.
func (s *state) drop(id kmod.ID) error {
	i := s.index(id)
	switch {
	case id >= s.next:
		s.next = id + 1
	case i < 0:
		return fmt.Errorf("id %d is out of order", id)
	default:
		s.rows = slices.Delete(s.rows, i, i+1)
	}
	return nil
}

// save stores a new cell or a changed one.
func (s *state) save(c *cell) error {
	r := c.row()
	s.added = r.append(s.added)
	return s.put(r)
}

// forget removes a cell.
func (s *state) forget(id kmod.ID) error {
	s.added = appendDrop(s.added, id)
	return s.drop(id)
}

func appendDrop(b []byte, id kmod.ID) []byte {
	return append(strconv.AppendUint(b, uint64(id), 10), '\n')
}

// format gives a file without lines that no longer hold.
func (s *state) format() []byte {
	version := stateVersion
	if s.module == Published {
		version = statePublished
	}
	b := []byte(stateWord + version + " " + s.boot + "\n")
	last := kmod.ID(0)
	for _, r := range s.rows {
		b = r.append(b)
		last = r.id
	}
	if last != s.next-1 {
		b = appendDrop(b, s.next-1)
	}
	return b
}

// full tells whether the file is too large for what it says.
func (s *state) full() bool {
	limit := slack
	for _, r := range s.rows {
		limit += 2 * (len(r.name) + len(r.data))
	}
	return s.size+len(s.added) > limit
}

// index finds a cell's row, or -1.
func (s *state) index(id kmod.ID) int {
	i, ok := slices.BinarySearchFunc(s.rows, id, func(r row, id kmod.ID) int { return cmp.Compare(r.id, id) })
	if !ok {
		return -1
	}
	return i
}

// find decodes one cell.
func (s *state) find(id kmod.ID) (*cell, error) {
	i := s.index(id)
	if i < 0 {
		return nil, fmt.Errorf("cell %d: %w", id, kmod.ErrNotFound)
	}
	return s.rows[i].decode()
}

// bootID identifies this boot of the kernel.
func bootID() (string, error) {
	b, err := readFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// load reads the state, without a lock.
func (c *Client) load() (*state, error) {
	s, fd, err := c.open(unix.O_RDONLY)
	if fd >= 0 {
		_ = unix.Close(fd)
	}
	return s, err
}

// open reads the state and keeps the file open; fd is -1 if there is none.
func (c *Client) open(flags int) (s *state, fd int, err error) {
	boot, err := c.boot()
	if err != nil {
		return nil, -1, err
	}
	file := filepath.Join(c.dir, stateFile)
	fd, err = retry(func() (int, error) { return unix.Open(file, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0) })
	if errors.Is(err, unix.ENOENT) {
		return newState(boot), -1, nil
	}
	if err != nil {
		return nil, -1, fmt.Errorf("open %s: %w", file, err)
	}
	b, err := readOpen(fd)
	if err != nil {
		return nil, fd, fmt.Errorf("read %s: %w", file, err)
	}
	if s, err = parseState(b, boot); err != nil {
		return nil, fd, fmt.Errorf("%s: %w", file, err)
	}
	if err := c.agree(s); err != nil {
		return nil, fd, err
	}
	return s, fd, nil
}

// update changes the state under the lock. When change fails, nothing is
// written.
func (c *Client) update(change func(*state) error) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	s, fd, err := c.open(unix.O_RDWR | unix.O_APPEND)
	if fd >= 0 {
		defer func() { _ = unix.Close(fd) }()
	}
	if err != nil {
		return err
	}
	if len(s.rows) == 0 {
		s.start(c.decided())
	}
	if err := change(s); err != nil {
		return err
	}
	// No fsync: after a crash of the machine there are no cells. When the last
	// cell is gone, so are the names of those that were.
	if s.size == 0 || s.full() || len(s.rows) == 0 {
		err = c.rewrite(s.format())
	} else {
		err = writeOnce(fd, s.added)
	}
	if err != nil {
		return fmt.Errorf("write cells: %w", err)
	}
	if s.after != nil {
		return s.after()
	}
	return nil
}

// writeOnce adds to the file with one write, so that of a kill, or a disk that
// is full, at most the last line suffers.
func writeOnce(fd int, b []byte) error {
	n, err := retry(func() (int, error) { return unix.Write(fd, b) })
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// rewrite replaces the file; those who have it open read the old one.
func (c *Client) rewrite(b []byte) error {
	file := filepath.Join(c.dir, stateFile)
	fresh := file + ".new"
	// One that is there was left by a kill, and is not truncated because
	// someone may be reading it.
	_ = unix.Unlink(fresh)
	if err := writeFile(fresh, unix.O_CREAT|unix.O_EXCL, b); err != nil {
		return err
	}
	// Exchanged, as ext4 waits for the disk when a file is renamed over another.
	if inroot.Exchange(fresh, file) == nil {
		_ = unix.Unlink(fresh)
		return nil
	}
	// There is no other, or the file system cannot exchange.
	return unix.Rename(fresh, file)
}

// lock takes the lock on the state directory, which it makes if it is missing.
func (c *Client) lock() (unlock func(), err error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Open(c.dir, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		if err := os.MkdirAll(c.dir, 0o700); err != nil {
			return nil, fmt.Errorf("make state directory: %w", err)
		}
		fd, err = unix.Open(c.dir, flags, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open state directory %s: %w", c.dir, err)
	}
	if err := flock.Lock(context.Background(), fd, flock.Exclusive); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock state directory %s: %w", c.dir, err)
	}
	return func() { _ = unix.Close(fd) }, nil
}
