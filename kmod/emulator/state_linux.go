package emulator

// The table of cells: what secmodel_cell keeps in the kernel. Each cell has a
// file, found by the cell's name and by its id, so that a command about one
// costs the same however many there are.
//
//	cells                    "cells 3 BOOT": the format's version, the boot id;
//	                         3-published for the cells of that module
//	3-BOOT/last              the last id that was given
//	3-BOOT/id/7              leads to ../name/web.cell
//	3-BOOT/name/web.cell     cell 7, see record_linux.go
//	3-BOOT/{port,path,bind}  what cells have in common, see share_linux.go
//
// No cell outlives a reboot, so each boot has a table of its own, and nothing
// needs to be on the disk. A lock on the directory is held while the header is
// made, and a cell's id, link and file: a few calls, none of which waits. What
// changes a cell later is under the lock of its file. Readers need no lock.
//
// The link comes first and goes last, so whatever a kill leaves of a cell, List
// tells its id and its name, and Destroy removes it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
)

const (
	stateDir     = "@cells" // below the state root; not a container id
	stateFile    = "cells"
	stateWord    = "cells "
	stateVersion = "3"
	// An older runcell must not take these cells for the other module's, so
	// the word for it is part of the version.
	statePublished = stateVersion + "-" + string(Published)

	idDir, nameDir = "id", "name"
	lastFile       = "last"
	nameSuffix     = ".cell" // as a cell may be named . or ..
)

// bootID identifies this boot of the kernel.
func bootID() (string, error) {
	b, err := readFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// parseHeader reads the file that says whose cells these are: nobody's is one of
// another boot, one that was not on the disk yet when the machine lost its power,
// which is empty or begins with zeros, and the table of the version before, which
// was one file, if it has no cell: those have tabs.
func parseHeader(b []byte, boot string) (Module, error) {
	if len(b) == 0 || b[0] == 0 {
		return "", nil
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	head, ok := strings.CutPrefix(string(line), stateWord)
	version, in, _ := strings.Cut(head, " ")
	switch {
	case ok && in != "" && in != boot:
		return "", nil
	case ok && whole && (version == "2" || version == "2-published") && !bytes.ContainsRune(b, '\t'):
		return "", nil
	case ok && whole && in == boot && version == stateVersion:
		return Current, nil
	case ok && whole && in == boot && version == statePublished:
		return Published, nil
	}
	return "", fmt.Errorf("parse cells, line 1: %q, want %q (if another version of runcell wrote it, end its cells and remove the file)",
		line, stateWord+stateVersion+" "+boot)
}

// table is the directory of this boot's cells.
func (c *Client) table() (string, error) {
	boot, err := c.boot()
	return filepath.Join(c.dir, stateVersion+"-"+boot), err
}

// header tells which module's the cells are, empty if none was made yet.
func (c *Client) header() (m Module, err error) {
	boot, err := c.boot()
	if err != nil {
		return "", err
	}
	file := filepath.Join(c.dir, stateFile)
	b, err := readRegular(file)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err == nil {
		m, err = parseHeader(b, boot)
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return m, nil
}

// meet holds the client to the module of the cells that there are.
func (c *Client) meet() (Module, error) {
	m, err := c.header()
	if m == "" || c.is(m) {
		return m, err
	}
	ids, err := c.ids(1)
	if len(ids) > 0 {
		err = c.agree(m)
	}
	return m, err
}

// begin makes the table, if this boot has none yet, the client's module's. A
// table without cells can become another module's. It is called under the lock.
func (c *Client) begin(table string) error {
	m, err := c.meet()
	want := c.decided()
	if err != nil || m == want {
		return err
	}
	if err := c.dropOld(filepath.Base(table)); err != nil {
		return err
	}
	for _, dir := range []string{idDir, nameDir} {
		if err := os.MkdirAll(filepath.Join(table, dir), 0o700); err != nil {
			return fmt.Errorf("make table of cells: %w", err)
		}
	}
	return c.writeHeader(want)
}

// dropOld removes the tables of other boots, and a header that is not this one's.
// It is not truncated, as someone may be reading it, and who finds none says that
// there are no cells, which is true.
func (c *Client) dropOld(own string) error {
	names, err := readNames(c.dir, -1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == own {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.dir, name)); err != nil {
			return fmt.Errorf("remove cells of another boot: %w", err)
		}
	}
	return nil
}

// writeHeader makes the header.
func (c *Client) writeHeader(m Module) error {
	boot, err := c.boot()
	if err != nil {
		return err
	}
	version := stateVersion
	if m == Published {
		version = statePublished
	}
	file := filepath.Join(c.dir, stateFile)
	if err := writeFile(file, unix.O_CREAT|unix.O_EXCL, []byte(stateWord+version+" "+boot+"\n")); err != nil {
		_ = unix.Unlink(file)
		return fmt.Errorf("write cells: %w", err)
	}
	return nil
}

// nextID gives an id that no cell of this boot had. It is called under the lock.
func nextID(table string) (kmod.ID, error) {
	file := filepath.Join(table, lastFile)
	fd, err := retry(func() (int, error) {
		return unix.Open(file, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	})
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", file, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var b [16]byte
	n, err := retry(func() (int, error) { return unix.Pread(fd, b[:], 0) })
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	last := uint64(0)
	if n > 0 {
		if last, err = strconv.ParseUint(strings.TrimSpace(string(b[:n])), 10, 32); err != nil {
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
	}
	id := kmod.ID(last + 1)
	if id+1 == 0 || id == 0 {
		return 0, fmt.Errorf("cell ids are used up: %w", unix.EOVERFLOW)
	}
	// Of one length, so that one write replaces it, and no reader has it half:
	// there are none but under the lock.
	if err := writeOnce(fmt.Appendf(nil, "%010d\n", id), func(b []byte) (int, error) { return unix.Pwrite(fd, b, 0) }); err != nil {
		return 0, fmt.Errorf("write %s: %w", file, err)
	}
	return id, nil
}

// claim gives the new cell an id and a file, unless its name is taken. The file
// stays locked until the cell is what it is to be.
func (c *Client) claim(n *cell) (*record, error) {
	unlock, err := c.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	table, err := c.table()
	if err == nil {
		err = c.begin(table)
	}
	if err == nil {
		err = c.vacant(table, n.Spec.Name)
	}
	if err == nil {
		n.ID, err = nextID(table)
	}
	if err != nil {
		return nil, err
	}
	n.Module = c.decided()
	c.choose(n)
	if err := unix.Symlink(linkTo(n.Spec.Name), idPath(table, n.ID)); err != nil {
		return nil, fmt.Errorf("make link of cell %d: %w", n.ID, err)
	}
	r, err := newRecord(table, n)
	if err != nil {
		_ = unix.Unlink(idPath(table, n.ID))
	}
	return r, err
}

func linkTo(name string) string { return "../" + nameDir + "/" + name + nameSuffix }

func namePath(table, name string) string { return filepath.Join(table, nameDir, name+nameSuffix) }

func idPath(table string, id kmod.ID) string {
	return table + "/" + idDir + "/" + strconv.FormatUint(uint64(id), 10)
}

// linkName gives the name that an id leads to; errors are those of readlink(2).
func linkName(table string, id kmod.ID) (string, error) {
	s, err := readLink(idPath(table, id))
	return strings.TrimSuffix(filepath.Base(s), nameSuffix), err
}

// vacant refuses a name that a cell has. A file without a line was left by a
// Create that was killed, as the lock is held, and makes room.
func (c *Client) vacant(table, name string) error {
	file := namePath(table, name)
	b, err := readRegular(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if line, _ := lastLine(b); len(line) > 0 {
		id, _, _ := strings.Cut(string(line), "\t")
		return fmt.Errorf("cell %s: %w", id, kmod.ErrExists)
	}
	ids, err := c.ids(-1)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if of, err := linkName(table, id); err == nil && of == name {
			_ = unix.Unlink(idPath(table, id))
		}
	}
	return unix.Unlink(file)
}

// clear removes what a Create or a Destroy that was killed has left of a cell,
// and tells whether there was anything.
func (c *Client) clear(id kmod.ID) (found bool, err error) {
	table, err := c.table()
	if err != nil {
		return false, err
	}
	if _, err := linkName(table, id); errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	unlock, err := c.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	name, err := linkName(table, id)
	if err != nil {
		return false, fmt.Errorf("look for cell %d: %w", id, err)
	}
	file := namePath(table, name)
	b, err := readRegular(file)
	if err == nil {
		line, whole := lastLine(b)
		of, _, _ := strings.Cut(string(line), "\t")
		switch {
		case whole == 0:
			err = unlink(file)
		case of == strconv.FormatUint(uint64(id), 10):
			return false, nil // its Create has gone on
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("remove remains of cell %d: %w", id, err)
	}
	return true, unlink(idPath(table, id))
}

// ids lists the cells, at least n if there are so many, or all.
func (c *Client) ids(n int) ([]kmod.ID, error) {
	table, err := c.table()
	if err != nil {
		return nil, err
	}
	return readIDs(filepath.Join(table, idDir), n)
}

// readIDs lists the ids that files of a directory are named by. What is named
// otherwise is not ours, and in nobody's way.
func readIDs(dir string, n int) ([]kmod.ID, error) {
	names, err := readNames(dir, n)
	if err != nil {
		return nil, err
	}
	ids := make([]kmod.ID, 0, len(names))
	for _, name := range names {
		if id, err := parseID([]byte(name)); err == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) < min(n, len(names)) { // those of others came first
		return readIDs(dir, -1)
	}
	return ids, nil
}

// lock takes the lock on the state directory, which it makes if it is missing.
func (c *Client) lock() (unlock func(), err error) { return lockDir(c.dir) }

// lockDir takes the lock on a directory, which it makes if it is missing.
func lockDir(dir string) (unlock func(), err error) {
	fd, err := openDir(dir)
	if errors.Is(err, unix.ENOENT) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make state directory: %w", err)
		}
		fd, err = openDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open state directory %s: %w", dir, err)
	}
	if err := flock.Lock(context.Background(), fd, flock.Exclusive); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	return func() { _ = unix.Close(fd) }, nil
}
