// Reserved ports and own addresses: keeping the eBPF map in step with the
// cells. The programs hang at the directory of all cells and live as long as
// a cell has something to enforce; nothing is pinned and nobody stays resident.

package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/netbsd-cells/runcell/kmod"
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
	if errors.Is(err, unix.ENOENT) {
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

// enforce brings the kernel from the rules of the cells before to those of
// the cells now. It is called under the lock.
func (c *Client) enforce(before, now []row) error {
	want, err := desired(now)
	if err != nil {
		return err
	}
	had, err := desired(before)
	if err != nil {
		return err
	}
	if maps.Equal(want, had) {
		return nil
	}
	dir := filepath.Join(cgroupV2(), cgroupName(c.root))
	cgroup, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) && len(want) == 0 {
		return nil // removed with the last cell, and the programs with it
	}
	if err != nil {
		return fmt.Errorf("open cgroup %s: %w", dir, err)
	}
	defer func() { _ = unix.Close(cgroup) }()
	if len(want) == 0 {
		return unhook(cgroup)
	}
	return push(cgroup, want, had)
}

// push writes the rules that are wanted and removes those that were only had.
func push(cgroup int, want, had rules) error {
	fd, err := findRules(cgroup)
	if err != nil {
		return err
	}
	if fd < 0 {
		return hookAll(cgroup, want)
	}
	defer func() { _ = unix.Close(fd) }()
	for k, v := range want {
		if had[k] != v {
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

// findRules opens the map of the programs that are attached, -1 if none are.
// Both must be there: whoever took one away gets both replaced.
func findRules(cgroup int) (int, error) {
	found := [len(hooks)]uint32{}
	for i, h := range hooks {
		if err := programs(cgroup, h, func(_ int, m uint32) error { found[i] = m; return nil }); err != nil {
			return -1, err
		}
	}
	if found[0] != 0 && found[0] == found[1] {
		return byID(unix.BPF_MAP_GET_FD_BY_ID, found[0])
	}
	return -1, unhook(cgroup)
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

// hookAll makes the map, fills it and attaches the programs. The kernel keeps
// the map for the programs, and the programs for the cgroup.
func hookAll(cgroup int, want rules) error {
	fd, err := newHash("runcell_rules", ruleKeySize, 4, maxRules)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for k, v := range want {
		if err := setElem(fd, k, v); err != nil {
			return err
		}
	}
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
