package netbsd

// What mount(8) would make of a file system's name and its options: flags, and
// the structure of arguments that mount(2) takes, as bytes.

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Flags of mount(2), sys/fstypes.h.
const (
	mntReadOnly = 0x1
	mntSync     = 0x2
	mntNoExec   = 0x4
	mntNoSuid   = 0x8
	mntNoDev    = 0x10
	mntNoATime  = 0x4000000
)

// flagOf has the options of all file systems. Those of Linux that ask for what
// is always so on NetBSD set nothing.
var flagOf = map[string]int{
	"ro": mntReadOnly, "rdonly": mntReadOnly, "sync": mntSync, "noexec": mntNoExec, "nosuid": mntNoSuid, "nodev": mntNoDev, "noatime": mntNoATime,
	"rw": 0, "exec": 0, "suid": 0, "dev": 0, "async": 0, "strictatime": 0,
}

// request is one mount, as read from its options.
type request struct {
	flags       int
	size, nodes uint64 // tmpfs: 0 is no limit
	uid, gid    uint32
	mode        uint32
}

// fileSystem says what mount(2) calls it, its own options, and its arguments.
type fileSystem struct {
	kind     string
	defaults request
	options  map[string]option // nil: it has no value, and sets nothing
	args     func(c *cStruct, r *request, source uint64)
}

type option func(r *request, value string) error

// What NetBSD has of what containers ask for.
var (
	null = fileSystem{
		kind:    "null",
		options: map[string]option{"bind": nil, "rbind": nil},
		args:    nullArgs,
	}
	tmpfs = fileSystem{
		kind: "tmpfs", defaults: request{mode: 0o1777}, args: tmpfsArgs,
		options: map[string]option{
			"size":      func(r *request, v string) error { return size(&r.size, v) },
			"nr_inodes": func(r *request, v string) error { return size(&r.nodes, v) },
			"mode":      setMode, "uid": setUID, "gid": setGID,
		},
	}
	procfs = fileSystem{
		kind: "procfs", options: map[string]option{"linux": nil},
		args: func(c *cStruct, _ *request, _ uint64) { c.u32(1, 1) }, // struct procfs_args: version, PROCFSMNT_LINUXCOMPAT
	}
	ptyfs = fileSystem{
		kind: "ptyfs", defaults: request{gid: 4, mode: 0o620}, // as mount_ptyfs(8): group tty
		options: map[string]option{"mode": setMode, "gid": setGID},
		args:    func(c *cStruct, r *request, _ uint64) { c.u32(2, r.gid, r.mode, 0) }, // struct ptyfs_args: version, gid, mode, flags
	}
)

// fileSystems are known by the names that containerd and OCI configs use.
var fileSystems = map[string]*fileSystem{
	"null": &null, "nullfs": &null, "bind": &null, "tmpfs": &tmpfs,
	"procfs": &procfs, "proc": &procfs, "ptyfs": &ptyfs, "devpts": &ptyfs,
}

func setMode(r *request, v string) error { return word(&r.mode, v, 8) }
func setUID(r *request, v string) error  { return word(&r.uid, v, 10) }
func setGID(r *request, v string) error  { return word(&r.gid, v, 10) }

func word(to *uint32, v string, base int) error {
	n, err := strconv.ParseUint(v, base, 32)
	*to = uint32(n)
	return err
}

// size reads a number of bytes, or of anything, with k, m or g behind it.
func size(to *uint64, v string) error {
	shift := 0
	if v != "" {
		if i := strings.IndexByte("kmg", v[len(v)-1]|0x20); i >= 0 {
			v, shift = v[:len(v)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err == nil && n > math.MaxUint64>>shift {
		err = strconv.ErrRange
	}
	*to = n << shift
	return err
}

// parse reads options; each may be several with commas between.
func parse(kind string, options []string) (*fileSystem, *request, error) {
	fs, known := fileSystems[kind]
	if !known {
		return nil, nil, fmt.Errorf("type %q: known are null, tmpfs, procfs and ptyfs", kind)
	}
	r := fs.defaults
	for _, o := range strings.Split(strings.Join(options, ","), ",") {
		name, value, hasValue := strings.Cut(o, "=")
		set, own := fs.options[name]
		flag, common := flagOf[name]
		switch {
		case o == "":
		case common && !hasValue:
			r.flags |= flag
		case own && set == nil && !hasValue:
		case own && set != nil && hasValue:
			if err := set(&r, value); err != nil {
				return nil, nil, fmt.Errorf("option %q of %s: %w", o, fs.kind, err)
			}
		default:
			return nil, nil, fmt.Errorf("option %q: %s has none of this name and form", o, fs.kind)
		}
	}
	return fs, &r, nil
}

// abi is what C structures depend on: the size of a pointer, and of a long,
// and the alignment of a 64-bit integer in a structure.
type abi struct{ pointer, align64 int }

// cStruct builds a structure field by field, padded as a compiler does.
type cStruct struct {
	abi   abi
	b     []byte
	align int
}

func alignUp(n, align int) int { return (n + align - 1) / align * align }

func (c *cStruct) pad(align int) {
	c.align = max(c.align, align)
	c.b = append(c.b, make([]byte, alignUp(len(c.b), align)-len(c.b))...)
}

func (c *cStruct) u32(values ...uint32) {
	c.pad(4)
	for _, v := range values {
		c.b = binary.NativeEndian.AppendUint32(c.b, v)
	}
}

func (c *cStruct) u64(v uint64) {
	c.pad(c.abi.align64)
	c.b = binary.NativeEndian.AppendUint64(c.b, v)
}

func (c *cStruct) address(v uint64) {
	c.pad(c.abi.pointer)
	if c.abi.pointer == 4 {
		c.u32(uint32(v))
	} else {
		c.b = binary.NativeEndian.AppendUint64(c.b, v)
	}
}

func (c *cStruct) bytes() []byte {
	c.pad(c.align)
	return c.b
}

// nullArgs is struct null_args: the address of the source's name, and a struct
// export_args30, which nothing reads.
func nullArgs(c *cStruct, _ *request, source uint64) {
	c.address(source)
	c.pad(c.abi.pointer)
	c.u32(make([]uint32, 2+80/4)...) // ex_flags, ex_root, ex_anon
	for range 2 {                    // ex_addr, ex_addrlen; ex_mask, ex_masklen
		c.address(0)
		c.u32(0)
	}
	c.address(0) // ex_indexfile
}

// tmpfsArgs is struct tmpfs_args. The kernel takes less than a page, or than
// four nodes, for no limit: a small limit becomes these.
func tmpfsArgs(c *cStruct, r *request, _ uint64) {
	const page, fewest = 8192, 4 // the largest page of NetBSD's ports that Go runs on, and to spare
	limit := func(v, least uint64) uint64 {
		if v == 0 {
			return 0
		}
		return max(v, least)
	}
	c.u32(1) // ta_version
	c.u64(limit(r.nodes, fewest))
	c.u64(limit(r.size, page))
	c.u32(r.uid, r.gid, r.mode)
}
