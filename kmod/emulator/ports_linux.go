package emulator

// Reserved ports and own addresses: keeping the eBPF map in step with the
// cells. The programs hang at the directories of all cells and live as long as
// a cell has something to enforce; nothing is pinned and nobody stays resident.

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

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
	{"runcell_bind4", unix.BPF_CGROUP_INET4_BIND, bind4[:], bind4Old[:]},
	{"runcell_bind6", unix.BPF_CGROUP_INET6_BIND, bind6[:], bind6Old[:]},
}

// maxRules bounds the map: 65536 bound cells, or ports, or addresses.
const maxRules = 1 << 16

// hooked tells whether a cell needs the programs.
func hooked(s *kmod.Spec) bool { return len(s.Ports) > 0 || s.Network == kmod.NetworkAddresses }

// hookedRow is a cheap test that a row may be of such a cell.
func hookedRow(r row) bool {
	return r.has("ports") || bytes.Contains(r.data, []byte("\tnetwork=addresses"))
}

// desired gives what the map has to hold for these cells.
func desired(cells []row) (rules, error) {
	m := rules{}
	for _, r := range cells {
		if !hookedRow(r) {
			continue
		}
		x, err := r.decode()
		if err != nil {
			return nil, err
		}
		if err := m.add(x); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// add puts a cell's rules in.
func (m rules) add(x *cell) error {
	if !hooked(&x.Spec) || x.Cgroup == "" {
		return nil
	}
	var st unix.Stat_t
	// The inode of a cgroup is its id, bpf_get_current_cgroup_id().
	err := unix.Stat(x.Cgroup, &st)
	if noCgroup(err) {
		return nil // someone removed it, so no process is in it
	}
	if err != nil {
		return fmt.Errorf("stat cgroup of cell %d: %w", x.ID, err)
	}
	m[cgroupKey(st.Ino)] = uint32(x.ID)
	for _, p := range x.Spec.Ports {
		for _, proto := range protocols(p.Proto) {
			m[portKey(proto, p.Port, addrKey(p.Addr))] = uint32(x.ID)
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
		m[ruleKey{kindAddress, uint32(x.ID), addrKey(a)}] = 1
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

// hookDirs are the directories at which the programs hang: that of all cells,
// and those of cells that are elsewhere.
func (c *Client) hookDirs(cells []row) ([]string, error) {
	var dirs []string
	shared := false
	for _, r := range cells {
		if !r.has("path") {
			shared = true
			continue
		}
		x, err := r.decode()
		if err != nil {
			return nil, err
		}
		if x.Cgroup != "" {
			dirs = append(dirs, x.Cgroup)
		}
	}
	if shared {
		dirs = append(dirs, filepath.Join(cgroupV2(), cgroupName(c.root)))
	}
	return dirs, nil
}

// enforce brings the kernel from the rules of the cells before to those of
// the cells now, which differ by one cell. It is called under the lock.
func (c *Client) enforce(before, now []row, x *cell) error {
	was, err := c.hookDirs(before)
	if err != nil {
		return err
	}
	at, err := c.hookDirs(now)
	if err != nil {
		return err
	}
	known := func(dir string) bool { return slices.Contains(was, dir) }
	if !hooked(&x.Spec) && (allOf(at, known) || !slices.ContainsFunc(now, hookedRow)) {
		return nil // most cells are so
	}
	want, err := desired(now)
	if err != nil {
		return err
	}
	had, err := desired(before)
	if err != nil {
		return err
	}
	if len(want) == 0 {
		return eachCgroup(append(was, at...), unhook)
	}
	if maps.Equal(want, had) && allOf(at, known) {
		return nil
	}
	return push(was, at, want, had)
}

func allOf(list []string, is func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !is(s) })
}

// eachCgroup opens directories. One that is gone has no process in it.
func eachCgroup(dirs []string, do func(cgroup int) error) error {
	for _, dir := range dirs {
		cgroup, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
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

// push writes the rules that are wanted, removes those that were only had, and
// makes sure that the programs which read them hang at every directory.
func push(was, at []string, want, had rules) error {
	id := uint32(0)
	err := eachCgroup(was, func(cgroup int) (err error) {
		if id == 0 {
			id, err = findRules(cgroup)
		}
		return err
	})
	if err != nil {
		return err
	}
	var fd int
	if id == 0 {
		fd, err = newHash("runcell_rules", ruleKeySize, 4, maxRules)
		had = nil
	} else {
		fd, err = byID(unix.BPF_MAP_GET_FD_BY_ID, id)
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := change(fd, want, had); err != nil {
		return err
	}
	return eachCgroup(at, func(cgroup int) error {
		there, err := findRules(cgroup)
		if err != nil || there != 0 && there == id {
			return err
		}
		return errors.Join(unhook(cgroup), hookAll(cgroup, fd))
	})
}

// change writes what differs.
func change(fd int, want, had rules) error {
	for k, v := range want {
		if old, ok := had[k]; !ok || old != v {
			if err := setElem(fd, k, v); err != nil {
				return err
			}
		}
	}
	for k := range had {
		if _, ok := want[k]; !ok {
			if err := deleteElem(fd, k); err != nil {
				return err
			}
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
		if err == nil && name == nameOf(h.name) {
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
	if found[0] != 0 && found[0] == found[1] {
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
