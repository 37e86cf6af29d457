// The state file: what secmodel_cell keeps in the kernel. One line a cell,
// rewritten as a whole under a lock on its directory.

package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netbsd-cells/runcell/kmod"
)

// stateDir is the directory below the state root, stateFile the file in it.
const (
	stateDir     = "@cells" // not a container id
	stateFile    = "cells"
	stateVersion = 1
)

// header is the file's first line.
type header struct {
	Version int `json:"version"`
	// Boot is the kernel's boot id: no cell outlives a reboot, so a file of
	// another boot is an empty one.
	Boot string `json:"boot"`
	// Next is the id of the next cell. Ids are never reused.
	Next kmod.ID `json:"next"`
}

// cell is one cell of the file.
type cell struct {
	ID      kmod.ID       `json:"-"`
	Spec    kmod.Spec     `json:"spec"`
	Created time.Duration `json:"created"` // since boot
	// First is the first process; zero before Entered.
	First process `json:"first,omitzero"`
	// Status is the first process's wait status, once a Wait has seen it.
	Status *uint32 `json:"status,omitempty"`
	// Cgroup is the cell's directory in the cgroup v2 hierarchy, Pids the one
	// in the pids controller's v1 hierarchy. Empty where there is none.
	Cgroup string `json:"cgroup,omitempty"`
	Pids   string `json:"pids,omitempty"`
}

// row is a cell's line: id, name and the JSON, which is decoded on demand
// because most calls are about one cell among many.
type row struct {
	id   kmod.ID
	name string
	data []byte
}

func (r row) decode() (*cell, error) {
	c := &cell{ID: r.id}
	if err := json.Unmarshal(r.data, c); err != nil {
		return nil, fmt.Errorf("decode cell %d: %w", r.id, err)
	}
	if c.Spec.Name != r.name {
		return nil, fmt.Errorf("decode cell %d: name %q in a line for %q", r.id, c.Spec.Name, r.name)
	}
	return c, nil
}

func encode(c *cell) (row, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return row{}, fmt.Errorf("encode cell %d: %w", c.ID, err)
	}
	return row{id: c.ID, name: c.Spec.Name, data: data}, nil
}

// state is the file's content, oldest cell first.
type state struct {
	header
	rows []row
}

// parseState reads the file. The rows share b's memory.
func parseState(b []byte) (*state, error) {
	first, rest, _ := bytes.Cut(b, []byte("\n"))
	s := &state{}
	if err := json.Unmarshal(first, &s.header); err != nil {
		return nil, fmt.Errorf("parse cells, line 1: %w", err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("parse cells: version %d, want %d (written by another runcell)", s.Version, stateVersion)
	}
	for n := 2; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		r, err := parseRow(line)
		if err != nil {
			return nil, fmt.Errorf("parse cells, line %d: %w", n, err)
		}
		if r.id >= s.Next || (len(s.rows) > 0 && r.id <= s.rows[len(s.rows)-1].id) {
			return nil, fmt.Errorf("parse cells, line %d: id %d is out of order", n, r.id)
		}
		s.rows = append(s.rows, r)
	}
	return s, nil
}

func parseRow(line []byte) (row, error) {
	id, rest, ok := bytes.Cut(line, []byte(" "))
	name, data, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 {
		return row{}, errors.New("want id, name and JSON")
	}
	n, err := strconv.ParseUint(string(id), 10, 32)
	if err != nil || n == 0 || id[0] == '0' || id[0] == '+' {
		return row{}, fmt.Errorf("id %q is not a number from 1", id)
	}
	if err := checkName(string(name)); err != nil {
		return row{}, err
	}
	return row{id: kmod.ID(n), name: string(name), data: data}, nil
}

func (s *state) format() ([]byte, error) {
	b, err := json.Marshal(s.header)
	if err != nil {
		return nil, fmt.Errorf("encode cells: %w", err)
	}
	b = append(b, '\n')
	for _, r := range s.rows {
		b = strconv.AppendUint(b, uint64(r.id), 10)
		b = append(b, ' ')
		b = append(b, r.name...)
		b = append(b, ' ')
		b = append(b, r.data...)
		b = append(b, '\n')
	}
	return b, nil
}

// index finds a cell's row, or -1.
func (s *state) index(id kmod.ID) int {
	for i := range s.rows {
		if s.rows[i].id == id {
			return i
		}
	}
	return -1
}

// find decodes one cell.
func (s *state) find(id kmod.ID) (*cell, error) {
	i := s.index(id)
	if i < 0 {
		return nil, fmt.Errorf("cell %d: %w", id, kmod.ErrNotFound)
	}
	return s.rows[i].decode()
}

// replace stores a changed cell.
func (s *state) replace(c *cell) error {
	r, err := encode(c)
	if err != nil {
		return err
	}
	s.rows[s.index(c.ID)] = r
	return nil
}

// bootID identifies this boot of the kernel.
func bootID() (string, error) {
	b, err := readFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// load reads the state without a lock: the file is only ever replaced.
func (c *Client) load() (*state, error) {
	boot, err := c.boot()
	if err != nil {
		return nil, err
	}
	empty := &state{header: header{Version: stateVersion, Boot: boot, Next: 1}}
	var st unix.Stat_t
	_ = unix.Stat(filepath.Join(c.dir, stateFile), &st)
	b, err := readSized(filepath.Join(c.dir, stateFile), int(st.Size))
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read cells: %w", err)
	}
	s, err := parseState(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(c.dir, stateFile), err)
	}
	if s.Boot != boot {
		return empty, nil
	}
	return s, nil
}

// update changes the state under the lock. When change fails, nothing is
// written.
func (c *Client) update(change func(*state) error) (err error) {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	s, err := c.load()
	if err != nil {
		return err
	}
	if err := change(s); err != nil {
		return err
	}
	b, err := s.format()
	if err != nil {
		return err
	}
	// No fsync: after a crash of the machine there are no cells.
	file := filepath.Join(c.dir, stateFile)
	if err := writeFile(file+".new", unix.O_CREAT|unix.O_TRUNC, b); err != nil {
		return fmt.Errorf("write cells: %w", err)
	}
	if err := unix.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write cells: %w", err)
	}
	return nil
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
	if _, err := retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_EX) }); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock state directory %s: %w", c.dir, err)
	}
	return func() { _ = unix.Close(fd) }, nil
}
