package emulator

// Reserved ports and own addresses: keeping the eBPF map in step with the
// cells. The programs hang at the directories of all cells and live as long as
// a cell has something to enforce; nothing is pinned and nobody stays resident.

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// rules are the map's content: question → answer.
type rules map[ruleKey]uint32

// hook is one of the two bind hooks.
type hook struct {
	name   string
	attach uint32
	// The program, and that for Linux before 5.18, where a program cannot
	// choose the error: EPERM instead of NetBSD's EACCES.
	program, old []uint64
}

var hooks = [...]hook{
	{"runcell_bind4", unix.BPF_CGROUP_INET4_BIND, bind4, bind4Old},
	{"runcell_bind6", unix.BPF_CGROUP_INET6_BIND, bind6, bind6Old},
}

// maxRules bounds the map: 65536 bound cells, or ports, or addresses.
const maxRules = 1 << 16

// hooked tells whether a cell needs the programs.
func hooked(s *kmod.Spec) bool { return len(s.Ports) > 0 || s.Network == kmod.NetworkAddresses }

// rulesOf gives a cell's own rules. The wildcards of its ports among them are
// right if no other cell has a part of one.
func rulesOf(x *cell) (rules, error) {
	m := rules{}
	return m, m.add(x)
}

// add puts a cell's rules in.
func (m rules) add(x *cell) error {
	if !hooked(&x.Spec) || x.Cgroup == "" {
		return nil
	}
	var st unix.Stat_t
	// The inode of a cgroup is its id, bpf_get_current_cgroup_id().
	err := unix.Stat(x.Cgroup, &st)
	if err != nil && !noCgroup(err) {
		return fmt.Errorf("stat cgroup of cell %d: %w", x.ID, err)
	}
	if err == nil { // or someone removed it, so no process is in it
		m[cgroupKey(st.Ino)] = uint32(x.ID)
	}
	for _, p := range x.Spec.Ports {
		for _, proto := range protocols(p.Proto) {
			m[portKey(proto, p.Port, p.Addr.As16())] = uint32(x.ID)
			w := portKey(proto, p.Port, wildcard)
			if owner, ok := m[w]; ok && owner != uint32(x.ID) {
				m[w] = everyone
			} else {
				m[w] = uint32(x.ID)
			}
		}
	}
	if x.Spec.Network != kmod.NetworkAddresses {
		return nil
	}
	m[ruleKey{kind: kindBound, arg: uint32(x.ID)}] = 1
	for _, a := range x.Spec.Addresses {
		m[ruleKey{kindAddress, uint32(x.ID), a.As16()}] = 1
	}
	return nil
}

// share makes the wildcards of the cell's ports those of all cells that have a
// part of one.
func (m rules) share(table string, x *cell) error {
	for _, p := range x.Spec.Ports {
		for _, proto := range protocols(p.Proto) {
			have, err := owners(portsDir(table, p.Port, proto))
			if err != nil {
				return err
			}
			w := portKey(proto, p.Port, wildcard)
			switch len(have) {
			case 0:
				delete(m, w)
			case 1:
				m[w] = uint32(have[0])
			default:
				m[w] = everyone
			}
		}
	}
	return nil
}

func protocols(name string) []uint32 {
	switch name {
	case "tcp":
		return []uint32{unix.IPPROTO_TCP}
	case "udp":
		return []uint32{unix.IPPROTO_UDP}
	}
	return []uint32{unix.IPPROTO_TCP, unix.IPPROTO_UDP}
}

// hookDir is the directory at which the programs hang for a cell: its own if it
// is elsewhere, or that of all cells. Without a cgroup there is none.
func (x *cell) hookDir() []string {
	switch {
	case x.Cgroup == "":
		return nil
	case x.Spec.CgroupsPath != "":
		return []string{x.Cgroup}
	}
	return []string{filepath.Dir(x.Cgroup)}
}

// cellsIn reads the cells that have a file in a directory of the table. It is
// called under the lock.
func (c *Client) cellsIn(dir string) ([]*cell, error) {
	table, err := c.table()
	if err != nil {
		return nil, err
	}
	names, err := readNames(filepath.Join(table, dir), -1)
	if err != nil {
		return nil, err
	}
	var cells []*cell
	for _, name := range names {
		id, err := ownerOf(filepath.Join(table, dir, name))
		if err != nil {
			return nil, err
		}
		x, err := read(table, id)
		if err != nil {
			return nil, err
		}
		cells = append(cells, x)
	}
	return cells, nil
}

// allDirs are all directories at which programs hang, if any do: that of all
// cells, and those of the cells that are elsewhere.
func (c *Client) allDirs() ([]string, error) {
	placed, err := c.cellsIn(pathDir)
	if err != nil {
		return nil, err
	}
	dirs := []string{filepath.Join(cgroupV2(), cgroupName(c.root))}
	for _, x := range placed {
		dirs = append(dirs, x.hookDir()...)
	}
	return dirs, nil
}

// enforceBeside is enforce for a cell that shares nothing: it matters only if
// other cells have rules. They look for directories after they have said so, and
// we ask after we have made ours: one sees the other.
func (c *Client) enforceBeside(n *cell) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	some, err := readNames(filepath.Join(table, bindDir), 1)
	if len(some) == 0 {
		return err
	}
	unlock, err := c.lockShared()
	if err != nil {
		return err
	}
	defer unlock()
	return c.enforce(n)
}

// enforce puts the new cell's rules into the kernel, and the programs that read
// them where the cell is. It is called under the lock.
func (c *Client) enforce(n *cell) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	if hooked(&n.Spec) && n.Cgroup != "" {
		if err := mark(filepath.Join(table, bindDir, strconv.FormatUint(uint64(n.ID), 10)), n.ID); err != nil {
			return err
		}
	}
	id, some, err := c.findMap(n.hookDir())
	if err != nil {
		return err
	}
	if !some {
		return nil
	}
	if id == 0 {
		return c.enforceAll()
	}
	want, err := rulesOf(n)
	if err != nil {
		return err
	}
	if err := want.share(table, n); err != nil {
		return err
	}
	fd, err := byID(unix.BPF_MAP_GET_FD_BY_ID, id)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := setRules(fd, want); err != nil {
		return err
	}
	return hookAt(n.hookDir(), fd, id)
}

// enforceAll begins anew, with the rules of all cells: there are none yet, or
// somebody took the programs away.
func (c *Client) enforceAll() error {
	cells, err := c.cellsIn(bindDir)
	if err != nil {
		return err
	}
	want := rules{}
	for _, x := range cells {
		if err := want.add(x); err != nil {
			return err
		}
	}
	dirs, err := c.allDirs()
	if err != nil {
		return err
	}
	fd, err := newHash("runcell_rules", ruleKeySize, 4, maxRules)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := setRules(fd, want); err != nil {
		return err
	}
	return hookAt(dirs, fd, 0)
}

// unenforce takes the rules away that a cell had. It is called under the lock,
// when the cell's ports are free.
func (c *Client) unenforce(x *cell, had rules) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	marked := filepath.Join(table, bindDir, strconv.FormatUint(uint64(x.ID), 10))
	if owner, err := ownerOf(marked); owner == 0 {
		return err
	}
	id, _, err := c.findMap(x.hookDir())
	if err != nil {
		return err
	}
	others, err := readNames(filepath.Join(table, bindDir), 2)
	if err != nil {
		return err
	}
	if len(others) <= 1 {
		dirs, err := c.allDirs()
		if err == nil {
			err = eachCgroup(dirs, unhook)
		}
		if err != nil {
			return err
		}
	} else if id != 0 {
		if err := c.takeRules(table, x, had, id); err != nil {
			return err
		}
	}
	return unlink(marked)
}

// takeRules removes a cell's rules from the map, but for what its ports' other
// owners have there.
func (c *Client) takeRules(table string, x *cell, had rules, id uint32) error {
	fd, err := byID(unix.BPF_MAP_GET_FD_BY_ID, id)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	rest := rules{}
	if err := rest.share(table, x); err != nil {
		return err
	}
	if err := setRules(fd, rest); err != nil {
		return err
	}
	for k := range had {
		if _, others := rest[k]; others {
			continue
		}
		if err := deleteElem(fd, k); err != nil {
			return err
		}
	}
	return nil
}

// findMap gives the id of the map that the programs read, 0 if none hangs
// anywhere, and tells whether a cell has rules. The programs hang where each
// such cell is, so it looks there, but at the directories in first before:
// most often they or the first other one tell.
func (c *Client) findMap(first []string) (id uint32, some bool, err error) {
	table, err := c.table()
	if err != nil {
		return 0, false, err
	}
	for _, n := range [...]int{1, -1} {
		ids, err := readIDs(filepath.Join(table, bindDir), n)
		if len(ids) == 0 {
			return 0, false, err
		}
		if id, err = mapAt(first); err != nil {
			return 0, true, err
		}
		if id != 0 {
			return id, true, nil
		}
		if id, err = mapOf(table, ids); err != nil {
			return 0, true, err
		}
		if id != 0 {
			return id, true, nil
		}
	}
	return 0, true, nil
}

// mapOf looks at the directories of cells.
func mapOf(table string, ids []kmod.ID) (uint32, error) {
	seen := ""
	for _, id := range ids {
		x, err := read(table, id)
		if err != nil {
			return 0, err
		}
		dirs := x.hookDir()
		if at := strings.Join(dirs, ""); at != seen { // most are where the one before is
			seen = at
			m, err := mapAt(dirs)
			if err != nil {
				return 0, err
			}
			if m != 0 {
				return m, nil
			}
		}
	}
	return 0, nil
}

func mapAt(dirs []string) (id uint32, err error) {
	err = eachCgroup(dirs, func(cgroup int) (err error) {
		if id == 0 {
			id, err = findRules(cgroup)
		}
		return err
	})
	return id, err
}

// eachCgroup opens directories. One that is gone has no process in it.
func eachCgroup(dirs []string, do func(cgroup int) error) error {
	for _, dir := range dirs {
		cgroup, err := openDir(dir)
		if noCgroup(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open cgroup %s: %w", dir, err)
		}
		err = do(cgroup)
		_ = unix.Close(cgroup)
		if err != nil {
			return err
		}
	}
	return nil
}

// hookAt makes sure that the programs which read a map hang at directories.
func hookAt(dirs []string, fd int, id uint32) error {
	return eachCgroup(dirs, func(cgroup int) error {
		there, err := findRules(cgroup)
		if err != nil {
			return err
		}
		if there != 0 && there == id {
			return nil
		}
		return errors.Join(unhook(cgroup), hookAll(cgroup, fd))
	})
}

func setRules(fd int, m rules) error {
	for k, v := range m {
		if err := setElem(fd, k, v); err != nil {
			return err
		}
	}
	return nil
}

// programs calls do with each of our programs at a hook of the cgroup.
func programs(cgroup int, h hook, do func(prog int, firstMap uint32) error) error {
	ids, err := attached(cgroup, h.attach)
	if err != nil {
		return err
	}
	for _, id := range ids {
		prog, err := byID(unix.BPF_PROG_GET_FD_BY_ID, id)
		if err != nil {
			return err
		}
		name, m, err := progInfo(prog)
		if name == nameOf(h.name) { // none with an error
			err = do(prog, m)
		}
		_ = unix.Close(prog)
		if err != nil {
			return err
		}
	}
	return nil
}

// findRules gives the id of the map of the programs that are attached, 0 if
// none are. Both must be there: whoever took one away gets both replaced.
func findRules(cgroup int) (uint32, error) {
	found := [len(hooks)]uint32{}
	for i, h := range hooks {
		if err := programs(cgroup, h, func(_ int, m uint32) error { found[i] = m; return nil }); err != nil {
			return 0, err
		}
	}
	if found[0] == found[1] {
		return found[0], nil
	}
	return 0, unhook(cgroup)
}

// unhook detaches our programs.
func unhook(cgroup int) error {
	for _, h := range hooks {
		err := programs(cgroup, h, func(prog int, _ uint32) error { return detachProgram(cgroup, prog, h.attach) })
		if err != nil {
			return err
		}
	}
	return nil
}

// hookAll attaches the programs. The kernel keeps the map for the programs,
// and the programs for the cgroup.
func hookAll(cgroup, fd int) error {
	for _, h := range hooks {
		prog, err := loadBind(h.name, h.attach, h.program, fd)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EACCES) {
			prog, err = loadBind(h.name, h.attach, h.old, fd)
		}
		if err != nil {
			return errors.Join(err, unhook(cgroup))
		}
		err = attachProgram(cgroup, prog, h.attach)
		_ = unix.Close(prog)
		if err != nil {
			return errors.Join(err, unhook(cgroup))
		}
	}
	return nil
}

// Reserve is not emulated: the bind hooks know cells, and the host's own
// programs take their ports as on any Linux system.
func (c *Client) Reserve(kmod.Reservations) error {
	return fmt.Errorf("reserve for the host: the emulator does not: %w", kmod.ErrUnsupported)
}
