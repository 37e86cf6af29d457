package emulator

// What only one cell can have: reserved ports and the paths of cgroups. A cell
// that has such a thing has a file for it in the table, a link to its id, so
// that whose it is costs one look. Cells that have one share a lock.
//
//	port/80.tcp/any         the port at every address
//	port/80.udp/192.0.2.1   at one
//	path/HASH               the path of the cell's cgroups, hashed as a name can
//	                        be too short for it
//	bind/7                  cell 7 has rules at bind(2), see ports_linux.go
//
// A cell is written down as a draft, with its ports and path, before it takes
// them, and it loses them before it goes. So what is there is some cell's.

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

const (
	portDir, pathDir, bindDir = "port", "path", "bind"
	anyName                   = "any"
)

// shares tells whether the cell has something that no other may have.
func (x *cell) shares() bool { return x.Spec.CgroupsPath != "" || hooked(&x.Spec) }

// lockShared takes the lock of the cells that do.
func (c *Client) lockShared() (unlock func(), err error) {
	table, err := c.table()
	if err != nil {
		return nil, err
	}
	return lockDir(filepath.Join(table, bindDir))
}

// take gets hold of the new cell's path and ports.
func (c *Client) take(n *cell) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	if n.Spec.CgroupsPath != "" {
		if err := takePath(table, n); err != nil {
			return err
		}
	}
	for _, p := range n.Spec.Ports {
		for _, proto := range protocols(p.Proto) {
			if err := takePort(table, n.ID, p, proto); err != nil {
				return err
			}
		}
	}
	return nil
}

// takePath refuses a path that is a cell's or below one's. Above one's there
// are cgroups, which free sees.
func takePath(table string, n *cell) error {
	path := n.Spec.CgroupsPath
	for at := path; at != "/"; at = filepath.Dir(at) {
		id, err := ownerOf(pathFile(table, at))
		if err != nil {
			return err
		}
		if id != 0 {
			return fmt.Errorf("cgroup %s: cell %s is at %s: give each container a path of its own: %w", path, nameOfCell(table, id), at, kmod.ErrBusy)
		}
	}
	if err := n.free(); err != nil {
		return err
	}
	return mark(pathFile(table, path), n.ID)
}

// takePort refuses a port of which another cell has a part.
func takePort(table string, id kmod.ID, p kmod.Port, proto uint32) error {
	dir := portsDir(table, p.Port, proto)
	have, err := partsOf(dir, p)
	if err != nil {
		return err
	}
	for _, owner := range have {
		if owner != id {
			return fmt.Errorf("port %d, cell %s: %w", p.Port, nameOfCell(table, owner), kmod.ErrPortInUse)
		}
	}
	return mark(filepath.Join(dir, portName(p)), id)
}

// partsOf gives the cells whose part of a port overlaps with p: who has it at
// every address, and who has it at this one, or at any if p is at every address.
func partsOf(dir string, p kmod.Port) (ids []kmod.ID, err error) {
	if !p.Addr.IsValid() {
		return owners(dir)
	}
	for _, name := range [...]string{anyName, portName(p)} {
		id, err := ownerOf(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if id != 0 {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// release gives back what the cell has, and takes its rules away.
func (c *Client) release(x *cell, had rules) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	unlock, err := c.lockShared()
	if err != nil {
		return err
	}
	defer unlock()
	for _, p := range x.Spec.Ports {
		for _, proto := range protocols(p.Proto) {
			dir := portsDir(table, p.Port, proto)
			if err := unmark(filepath.Join(dir, portName(p)), x.ID); err != nil {
				return err
			}
			_ = unix.Rmdir(dir) // unless others have a part
		}
	}
	if err := c.unenforce(x, had); err != nil {
		return err
	}
	return unmark(pathFile(table, x.Spec.CgroupsPath), x.ID)
}

func pathFile(table, path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(table, pathDir, hex.EncodeToString(sum[:16]))
}

func portsDir(table string, port uint16, proto uint32) string {
	name := strconv.Itoa(int(port)) + ".tcp"
	if proto == unix.IPPROTO_UDP {
		name = strconv.Itoa(int(port)) + ".udp"
	}
	return filepath.Join(table, portDir, name)
}

func portName(p kmod.Port) string {
	if !p.Addr.IsValid() {
		return anyName
	}
	return p.Addr.String()
}

// mark makes a thing the cell's. It is called under the lock.
func mark(file string, id kmod.ID) error {
	to := strconv.FormatUint(uint64(id), 10)
	err := unix.Symlink(to, file)
	if errors.Is(err, unix.ENOENT) {
		if err = os.MkdirAll(filepath.Dir(file), 0o700); err == nil {
			err = unix.Symlink(to, file)
		}
	}
	if errors.Is(err, unix.EEXIST) {
		if is, _ := readLink(file); is == to {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("mark %s as cell %d's: %w", file, id, err)
	}
	return nil
}

// unmark takes it back, unless it is another's.
func unmark(file string, id kmod.ID) error {
	owner, err := ownerOf(file)
	if owner != id { // nobody with an error
		return err
	}
	return unlink(file)
}

// ownerOf tells whose a thing is, 0 if nobody's.
func ownerOf(file string) (kmod.ID, error) {
	s, err := readLink(file)
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	id, err := parseID([]byte(s))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	return id, nil
}

// owners gives the cells that have a part of a port: two at most, as more make
// no difference. It is called under the lock.
func owners(dir string) ([]kmod.ID, error) {
	names, err := readNames(dir, -1)
	if err != nil {
		return nil, err
	}
	var ids []kmod.ID
	for _, name := range names {
		id, err := ownerOf(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			if ids = append(ids, id); len(ids) == 2 {
				break
			}
		}
	}
	return ids, nil
}

// nameOfCell is for messages.
func nameOfCell(table string, id kmod.ID) string {
	name, err := linkName(table, id)
	if err != nil {
		return strconv.FormatUint(uint64(id), 10)
	}
	return name
}
