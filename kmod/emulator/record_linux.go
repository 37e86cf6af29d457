package emulator

// A cell's file. A change adds a line, see line_linux.go, and the last whole
// one holds: a reader sees the cell as it was before a change or after, and of
// a kill, or a disk that is full, at most the last line suffers, which is none
// then. It stays small, as little of a cell changes, and that once: its first
// process, its exit status, where its limit is.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
)

// record is a cell's file, open and locked: nobody else changes the cell.
type record struct {
	fd   int
	line []byte
	x    *cell // what the file says
}

func (r *record) close() { _ = unix.Close(r.fd) }

// lastLine gives the line that holds, without its end, and how much of the file
// is whole lines.
func lastLine(b []byte) (line []byte, whole int) {
	whole = bytes.LastIndexByte(b, '\n') + 1
	if whole == 0 {
		return nil, 0
	}
	line = b[:whole-1]
	return line[bytes.LastIndexByte(line, '\n')+1:], whole
}

// parseRecord reads a cell's file. That of no cell, or of another one, is
// ErrNotFound: the first one's Create has not got to the line yet, and the
// other one has the name since.
func parseRecord(id kmod.ID, b []byte) (x *cell, line []byte, whole int, err error) {
	line, whole = lastLine(b)
	if whole == 0 {
		return nil, nil, 0, fmt.Errorf("cell %d: %w", id, kmod.ErrNotFound)
	}
	number, rest, _ := bytes.Cut(line, []byte("\t"))
	of, err := parseID(number)
	if err == nil && of != id {
		return nil, nil, 0, fmt.Errorf("cell %d: %w", id, kmod.ErrNotFound)
	}
	var r row
	if err == nil {
		r, err = parseRow(id, rest)
	}
	if err == nil {
		x, err = r.decode()
	}
	return x, line, whole, err
}

// newRecord makes the file of a new cell. One that has to get hold first of what
// it shares with others is a draft until then.
func newRecord(table string, n *cell) (*record, error) {
	file := namePath(table, n.Spec.Name)
	fd, err := retry(func() (int, error) {
		return unix.Open(file, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", file, err)
	}
	r := &record{fd: fd}
	first := *n
	if n.shares() {
		first.Draft, first.Cgroup, first.Pids = true, "", ""
	}
	if err = flock.Lock(context.Background(), fd, flock.Exclusive); err == nil {
		err = r.save(&first)
	}
	if err != nil {
		r.close()
		_ = unix.Unlink(file)
		return nil, fmt.Errorf("write %s: %w", file, err)
	}
	return r, nil
}

// save adds the cell's line, if something has changed. Where it fails, it may
// leave half a line, and is not called again: whoever opens the file takes it away.
func (r *record) save(x *cell) error {
	row := x.row()
	line := row.append(nil)
	if bytes.Equal(line[:len(line)-1], r.line) {
		return nil
	}
	// One write, or a kill could leave the beginning of a line before another.
	if err := writeOnce(line, func(b []byte) (int, error) { return unix.Write(r.fd, b) }); err != nil {
		return fmt.Errorf("write cell: %w", err)
	}
	y := *x
	r.x, r.line = &y, line[:len(line)-1]
	return nil
}

// open opens a cell's file and waits for its lock.
func (c *Client) open(id kmod.ID) (*record, error) {
	table, err := c.table()
	if err != nil {
		return nil, err
	}
	file := idPath(table, id)
	const flags = unix.O_RDWR | unix.O_APPEND | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Open(file, flags, 0) })
	if errors.Is(err, unix.ENOENT) {
		return nil, c.missing(id)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	r := &record{fd: fd}
	if err := r.read(id, file); err != nil {
		r.close()
		return nil, err
	}
	if err := c.agree(r.x.Module); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *record) read(id kmod.ID, file string) error {
	if err := flock.Lock(context.Background(), r.fd, flock.Exclusive); err != nil {
		return fmt.Errorf("lock %s: %w", file, err)
	}
	b, err := readOpen(r.fd)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(r.fd, &st); err != nil {
		return fmt.Errorf("stat %s: %w", file, err)
	}
	if st.Nlink == 0 { // it was removed while we waited
		return fmt.Errorf("cell %d: %w", id, kmod.ErrNotFound)
	}
	x, line, whole, err := parseRecord(id, b)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if whole < len(b) { // half a line follows, with which the next one would go on
		if err := unix.Ftruncate(r.fd, int64(whole)); err != nil {
			return fmt.Errorf("cut %s: %w", file, err)
		}
	}
	r.x, r.line = x, line
	return nil
}

// change changes a cell under its lock.
func (c *Client) change(id kmod.ID, do func(*cell) error) error {
	r, err := c.open(id)
	if err != nil {
		return err
	}
	defer r.close()
	if r.x.Draft {
		return fmt.Errorf("cell %d: %w", id, kmod.ErrNotFound)
	}
	x := *r.x
	if err := do(&x); err != nil {
		return err
	}
	return r.save(&x)
}

// lookup reads one cell without a lock. A draft is none yet.
func (c *Client) lookup(id kmod.ID) (*cell, error) {
	table, err := c.table()
	if err != nil {
		return nil, err
	}
	x, err := read(table, id)
	if errors.Is(err, os.ErrNotExist) {
		return nil, c.missing(id)
	}
	if err == nil && x.Draft {
		err = fmt.Errorf("cell %d: its create has not ended: %w", id, kmod.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return x, c.agree(x.Module)
}

// read reads one cell.
func read(table string, id kmod.ID) (*cell, error) {
	file := idPath(table, id)
	b, err := readRegular(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	x, _, _, err := parseRecord(id, b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return x, nil
}

// missing is the error of a cell that is not in the table: it may be in one that
// another version of runcell wrote.
func (c *Client) missing(id kmod.ID) error {
	if _, err := c.header(); err != nil {
		return err
	}
	return fmt.Errorf("cell %d: %w", id, kmod.ErrNotFound)
}

// forget removes a cell from the table: its name is free, and its id is no
// cell's any more. The link goes last, and stays if the file does: without it
// the file would be a cell that List does not tell and Destroy does not find.
func (c *Client) forget(x *cell) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	if err := unlink(namePath(table, x.Spec.Name)); err != nil {
		return err
	}
	return unlink(idPath(table, x.ID))
}
