package hostroot

// The argument structures of NetBSD's file systems, as bytes: mount(2) takes
// one by address and length, and its layout depends on the machine.

import (
	"encoding/binary"
	"fmt"
	"os"
)

// cStruct builds a C structure field by field, with the padding a compiler
// would put in.
type cStruct struct {
	abi   abi
	b     []byte
	align int
}

func (c *cStruct) pad(align int) {
	c.align = max(c.align, align)
	c.b = append(c.b, make([]byte, alignUp(len(c.b), align)-len(c.b))...)
}

func (c *cStruct) u32(v uint32) {
	c.pad(4)
	c.b = binary.NativeEndian.AppendUint32(c.b, v)
}

func (c *cStruct) u64(v uint64) {
	c.pad(c.abi.align64)
	c.b = binary.NativeEndian.AppendUint64(c.b, v)
}

func (c *cStruct) pointer(v uint64) {
	c.pad(c.abi.pointer)
	if c.abi.pointer == 8 {
		c.b = binary.NativeEndian.AppendUint64(c.b, v)
	} else {
		c.b = binary.NativeEndian.AppendUint32(c.b, uint32(v))
	}
}

func (c *cStruct) bytes() []byte {
	c.pad(c.align)
	return c.b
}

// mountArgs encodes what mount(2) wants for m. target is the address of the
// source's name, for a null mount.
func mountArgs(a abi, m hostMount, target uint64) ([]byte, error) {
	c := &cStruct{abi: a}
	switch m.kind {
	case fsNull:
		nullArgs(c, target)
	case fsTmpfs:
		tmpfsArgs(c, m)
	case fsProc: // struct procfs_args: version, flags (1 = Linux's files too)
		c.u32(1)
		c.u32(1)
	case fsPty: // struct ptyfs_args: version, gid, mode, flags
		c.u32(2)
		c.u32(m.gid)
		c.u32(m.mode)
		c.u32(0)
	default:
		return nil, fmt.Errorf("file system %q is not known", m.kind)
	}
	return c.bytes(), nil
}

// nullArgs is struct null_args: the target's name and a structure of old,
// export_args30, that must be there and is not read.
func nullArgs(c *cStruct, target uint64) {
	c.pointer(target)
	c.u32(0)           // ex_flags
	c.u32(0)           // ex_root
	for range 80 / 4 { // ex_anon, struct uucred
		c.u32(0)
	}
	c.pointer(0) // ex_addr
	c.u32(0)     // ex_addrlen
	c.pointer(0) // ex_mask
	c.u32(0)     // ex_masklen
	c.pointer(0) // ex_indexfile
}

// tmpfsArgs is struct tmpfs_args. Zero nodes and size are the kernel's choice,
// and so is less than a page or than four nodes: a small limit is raised to
// that, as it would be none at all.
func tmpfsArgs(c *cStruct, m hostMount) {
	mode := uint32(0o1777)
	var nodes, size uint64 // 0 = no limit
	if m.tmpfs.Inodes != nil {
		nodes = *m.tmpfs.Inodes
	}
	if m.tmpfs.Size != nil {
		size = *m.tmpfs.Size
	}
	if nodes > 0 {
		nodes = max(nodes, 4)
	}
	if size > 0 {
		size = max(size, uint64(os.Getpagesize()))
	}
	if m.tmpfs.HasMode {
		mode = m.tmpfs.Mode
	}
	c.u32(1) // ta_version
	c.u64(nodes)
	c.u64(size)
	c.u32(m.tmpfs.UID)
	c.u32(m.tmpfs.GID)
	c.u32(mode)
}
