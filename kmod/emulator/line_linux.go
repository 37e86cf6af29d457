package emulator

// A line of a cell's file: its id, its name, and what else is known of
// it as key=value, with tabs between. Not JSON, because the first use of a
// type costs encoding/json, and so every command, a fifth of a millisecond.

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
)

// cell is what is known of a cell.
type cell struct {
	ID      kmod.ID
	Module  Module
	Spec    kmod.Spec
	Created time.Duration // since boot
	// Draft is a cell whose Create has not got hold yet of what its Spec shares
	// with others. It has no cgroup: what there is at its path is another's.
	Draft bool
	// First is the first process; zero before Entered.
	First process
	// Status is the first process's wait status, once a Wait has seen it.
	Status *uint32
	// Cgroup is the cell's directory in the cgroup v2 hierarchy, Pids the one
	// in the pids controller's v1 hierarchy. Empty where there is none.
	Cgroup string
	Pids   string
}

// field is a key of the line and where its value belongs in a cell.
type field struct {
	key string
	value
}

// value converts to and from text without tabs and newlines. The zero value
// is empty, and then the line does not have it.
type value interface {
	append(b []byte) []byte
	parse(s string) error
}

// fields is the table of the keys, in the order of the line.
func (c *cell) fields() []field {
	s := &c.Spec
	return []field{
		{"root", (*text)(&s.Root)},
		{"profile", number(&s.Profile)},
		{"permissions", number(&s.Permissions)},
		{"ports", (*ports)(&s.Ports)},
		{"addresses", (*addresses)(&s.Addresses)},
		{"network", (*text)(&s.Network)},
		{"processes", number(&s.MaxProcesses)},
		{"nofile", number(&s.RlimitNofile)},
		{"as", number(&s.RlimitAS)},
		{"core", number(&s.RlimitCore)},
		{"created", number(&c.Created)},
		{"pid", number(&c.First.Pid)},
		{"start", number(&c.First.Start)},
		{"status", maybe{&c.Status}},
		{"cgroup", (*text)(&c.Cgroup)},
		{"pids", (*text)(&c.Pids)},
		{"path", (*text)(&s.CgroupsPath)},
		{"module", (*moduleName)(&c.Module)},
		{"draft", (*flag)(&c.Draft)},
	}
}

// row is a cell's line.
type row struct {
	id   kmod.ID
	name string
	data []byte
}

// row encodes a cell. checkSpec has refused what does not go on a line.
func (c *cell) row() row {
	b := make([]byte, 0, 256)
	for _, f := range c.fields() {
		start := len(b)
		if start > 0 {
			b = append(b, '\t')
		}
		b = append(append(b, f.key...), '=')
		empty := len(b)
		if b = f.append(b); len(b) == empty {
			b = b[:start]
		}
	}
	return row{id: c.ID, name: c.Spec.Name, data: b}
}

func (r row) decode() (*cell, error) {
	c := &cell{ID: r.id, Module: Current, Spec: kmod.Spec{Name: r.name}}
	fields := c.fields()
	for rest := string(r.data); rest != ""; {
		var key, value string
		value, rest, _ = strings.Cut(rest, "\t")
		key, value, _ = strings.Cut(value, "=")
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
		if i < 0 {
			return nil, fmt.Errorf("decode cell %d: unknown field %q", r.id, key)
		}
		if err := fields[i].parse(value); err != nil {
			return nil, fmt.Errorf("decode cell %d: %s: %w", r.id, key, err)
		}
	}
	if c.Spec.Root == "" {
		return nil, fmt.Errorf("decode cell %d: it has no root", r.id)
	}
	return c, nil
}

// append writes the whole line.
func (r row) append(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(r.id), 10)
	b = append(append(b, '\t'), r.name...)
	b = append(append(b, '\t'), r.data...)
	return append(b, '\n')
}

type text string

func (t *text) append(b []byte) []byte { return append(b, *t...) }

func (t *text) parse(s string) error {
	*t = text(s)
	return nil
}

// moduleName is left out of a cell of this project's module.
type moduleName Module

func (m *moduleName) append(b []byte) []byte {
	if Module(*m) == Current {
		return b
	}
	return append(b, *m...)
}

func (m *moduleName) parse(s string) error {
	if Module(s) != Published {
		return fmt.Errorf("unknown module %q", s)
	}
	*m = moduleName(s)
	return nil
}

// flag is 1 or left out.
type flag bool

func (f *flag) append(b []byte) []byte {
	if !*f {
		return b
	}
	return append(b, '1')
}

func (f *flag) parse(s string) error {
	if s != "1" {
		return strconv.ErrSyntax
	}
	*f = true
	return nil
}

type integer interface {
	~int | ~int64 | ~uint8 | ~uint64
}

type num[T integer] struct{ p *T }

func number[T integer](p *T) value { return num[T]{p} }

func (n num[T]) append(b []byte) []byte {
	if *n.p == 0 {
		return b
	}
	return strconv.AppendUint(b, uint64(*n.p), 10)
}

func (n num[T]) parse(s string) error {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return err
	}
	if *n.p = T(v); uint64(*n.p) != v || *n.p < 0 {
		return strconv.ErrRange
	}
	return nil
}

// maybe is a number that may be 0 and may be missing.
type maybe struct{ p **uint32 }

func (m maybe) append(b []byte) []byte {
	if *m.p == nil {
		return b
	}
	return strconv.AppendUint(b, uint64(**m.p), 10)
}

func (m maybe) parse(s string) error {
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return err
	}
	n := uint32(v)
	*m.p = &n
	return nil
}

// ports are 80, 80/tcp, 192.0.2.1:80/udp, [2001:db8::1]:80, with commas between.
type ports []kmod.Port

func (ps *ports) append(b []byte) []byte {
	for i, p := range *ps {
		if i > 0 {
			b = append(b, ',')
		}
		if p.Addr.IsValid() {
			b = netip.AddrPortFrom(p.Addr, p.Port).AppendTo(b)
		} else {
			b = strconv.AppendUint(b, uint64(p.Port), 10)
		}
		if p.Proto != "" {
			b = append(append(b, '/'), p.Proto...)
		}
	}
	return b
}

func (ps *ports) parse(s string) error {
	*ps = nil
	for one := range strings.SplitSeq(s, ",") {
		at, proto, _ := strings.Cut(one, "/")
		p := kmod.Port{Proto: proto}
		if n, err := strconv.ParseUint(at, 10, 16); err == nil {
			p.Port = uint16(n)
		} else {
			a, err := netip.ParseAddrPort(at)
			if err != nil {
				return err
			}
			p.Addr, p.Port = a.Addr(), a.Port()
		}
		*ps = append(*ps, p)
	}
	return nil
}

// addresses have commas between.
type addresses []netip.Addr

func (as *addresses) append(b []byte) []byte {
	for i, a := range *as {
		if i > 0 {
			b = append(b, ',')
		}
		b = a.AppendTo(b)
	}
	return b
}

func (as *addresses) parse(s string) error {
	*as = nil
	for one := range strings.SplitSeq(s, ",") {
		a, err := netip.ParseAddr(one)
		if err != nil {
			return err
		}
		*as = append(*as, a)
	}
	return nil
}

// parseID reads a cell's id. The last number is not one: Next comes after it.
func parseID(b []byte) (kmod.ID, error) {
	n, err := strconv.ParseUint(string(b), 10, 32)
	if err != nil || n == 1<<32-1 || b[0] == '0' {
		return 0, fmt.Errorf("id %q is not a number from 1", b)
	}
	return kmod.ID(n), nil
}

// parseRow reads what follows the id on a cell's line.
func parseRow(id kmod.ID, rest []byte) (row, error) {
	name, data, ok := bytes.Cut(rest, []byte("\t"))
	if !ok {
		return row{}, errors.New("want id, name and fields")
	}
	if err := kmod.CheckName(string(name)); err != nil {
		return row{}, err
	}
	return row{id: id, name: string(name), data: data}, nil
}
