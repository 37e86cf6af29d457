package hostroot

// NetBSD's struct statvfs, from which the mount table is read. It has two
// layouts (the second since NetBSD 10) and depends on the machine's.

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// abi is what C structures depend on: the size of a pointer (and of a long),
// and the alignment of a 64-bit integer in a structure.
type abi struct{ pointer, align64 int }

func alignUp(n, align int) int { return (n + align - 1) / align * align }

// mountEntry is a row of the mount table.
type mountEntry struct {
	kind  string // f_fstypename
	on    string // f_mntonname: the path given to mount(2)
	from  string // f_mntfromname
	flags int    // MNT_*
}

const (
	fsNameLen    = 32   // _VFS_NAMELEN
	mountNameLen = 1024 // _VFS_MNAMELEN
	maxMountPath = mountNameLen - 1
)

// vfsLayout says where the fields of struct statvfs are.
type vfsLayout struct {
	abi                  abi
	kind, on, from, size int
}

// newVfsLayout works the layout out (sys/statvfs.h): four longs, twelve
// 64-bit counters, the fsid, two longs, the owner, then spare fields (four
// of 32 bits, of 64 bits since NetBSD 10) and the names.
func newVfsLayout(a abi, netbsd10 bool) vfsLayout {
	l := vfsLayout{abi: a}
	n := alignUp(4*a.pointer, a.align64) + 12*8 + 8 + 2*a.pointer + 4
	if netbsd10 {
		n = alignUp(n, a.align64) + 4*8
	} else {
		n += 4 * 4
	}
	l.kind, l.on, l.from = n, n+fsNameLen, n+fsNameLen+mountNameLen
	n = l.from + mountNameLen
	if netbsd10 {
		n += mountNameLen // f_mntfromlabel
	}
	l.size = alignUp(n, a.align64)
	return l
}

// parse reads as many entries as b holds.
func (l vfsLayout) parse(b []byte) ([]mountEntry, error) {
	if len(b)%l.size != 0 {
		return nil, fmt.Errorf("read mount table: %d bytes are not a multiple of %d", len(b), l.size)
	}
	var table []mountEntry
	for ; len(b) > 0; b = b[l.size:] {
		e := mountEntry{
			kind: cString(b[l.kind : l.kind+fsNameLen]),
			on:   cString(b[l.on : l.on+mountNameLen]),
			from: cString(b[l.from : l.from+mountNameLen]),
		}
		if l.abi.pointer == 8 {
			e.flags = int(binary.NativeEndian.Uint64(b) & 0x7fffffff)
		} else {
			e.flags = int(binary.NativeEndian.Uint32(b) & 0x7fffffff)
		}
		table = append(table, e)
	}
	return table, nil
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
