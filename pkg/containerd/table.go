package netbsd

// The mount table: struct statvfs (sys/statvfs.h), whose layout depends on the
// machine, and changed with NetBSD 10.

import "bytes"

// MountPoint is a row of the mount table.
type MountPoint struct {
	Kind string // the file system's name, such as "null"
	On   string // the path that mount(2) was given
	From string // a device; a directory, for a null mount
}

const (
	kindLen = 32   // _VFS_NAMELEN
	pathLen = 1024 // _VFS_MNAMELEN
)

// statvfsLayout says where the names are.
type statvfsLayout struct{ kind, on, from, size int }

// statvfs works the layout out: four longs, twelve 64-bit counters, the fsid,
// two longs, the owner, four spare fields (of 64 bits since NetBSD 10) and the
// names.
func statvfs(a abi, ten bool) statvfsLayout {
	n := alignUp(4*a.pointer, a.align64) + 12*8 + 8 + 2*a.pointer + 4
	if ten {
		n = alignUp(n, a.align64) + 4*8
	} else {
		n += 4 * 4
	}
	l := statvfsLayout{kind: n, on: n + kindLen, from: n + kindLen + pathLen}
	end := l.from + pathLen
	if ten {
		end += pathLen // f_mntfromlabel
	}
	l.size = alignUp(end, a.align64)
	return l
}

// parse reads the whole rows of b.
func (l statvfsLayout) parse(b []byte) (table []MountPoint) {
	for ; len(b) >= l.size; b = b[l.size:] {
		table = append(table, MountPoint{
			Kind: cString(b[l.kind : l.kind+kindLen]), On: cString(b[l.on : l.on+pathLen]), From: cString(b[l.from : l.from+pathLen]),
		})
	}
	return table
}

func cString(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
