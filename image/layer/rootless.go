package layer

// Owners that only root could give a file. A rootless unpack records them in
// an attribute, as umoci does (https://rootlesscontaine.rs), and a rootless
// pack of the tree takes them from there.

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"math"

	"github.com/netbsd-cells/runcell/image"
	"golang.org/x/sys/unix"
)

// rootlessOwner holds a protobuf message with two numbers, uid and gid.
const rootlessOwner = "user.rootlesscontainers"

// The keys of the message's fields: 1 and 2, both varints.
const (
	ownerUID = 1 << 3
	ownerGID = 2 << 3
)

func encodeOwner(uid, gid uint32) []byte {
	b := binary.AppendUvarint([]byte{ownerUID}, uint64(uid))
	return binary.AppendUvarint(append(b, ownerGID), uint64(gid))
}

// decodeOwner reads the message; a field that is missing is 0.
func decodeOwner(b []byte) (uid, gid uint32, ok bool) {
	for len(b) > 0 {
		key := b[0]
		v, n := binary.Uvarint(b[1:])
		if n <= 0 || v >= math.MaxUint32 {
			return 0, 0, false
		}
		switch key {
		case ownerUID:
			uid = uint32(v)
		case ownerGID:
			gid = uint32(v)
		default:
			return 0, 0, false
		}
		b = b[1+n:]
	}
	return uid, gid, true
}

// recordOwner is what takes the place of chown(2) where that is root's.
// Only files and directories can have the attribute.
func (a *Applier) recordOwner(hdr *tar.Header, name string, uid, gid uint32) {
	err := error(unix.EOPNOTSUPP)
	if hdr.Typeflag != tar.TypeSymlink && hdr.Typeflag != tar.TypeFifo {
		value := encodeOwner(uid, gid)
		if err = a.tree.SetXattr(name, rootlessOwner, value); errors.Is(err, unix.EACCES) { // a directory of a lower layer
			if err = a.tree.Chmod(name, 0o700); err == nil {
				err = a.tree.SetXattr(name, rootlessOwner, value)
			}
		}
	}
	if err != nil && (uid != 0 || gid != 0) {
		a.notes.Add(image.Quote(hdr.Name), "the owner is not kept: only root can give files away, and it can't be recorded here")
	}
}

// owner gives an entry's owner. A recorded one counts only where we are not
// root and the file is ours: else whoever may set an attribute in a cell
// could make a layer's set-id program root's.
func (p *packer) owner(name string, st *unix.Stat_t) (uid, gid uint32) {
	if p.euid != 0 && st.Uid == uint32(p.euid) {
		if value, err := p.recorded(name, st); err == nil {
			if uid, gid, ok := decodeOwner(value); ok {
				return uid, gid
			}
		}
	}
	return st.Uid, st.Gid
}

// recorded reads the attribute, also of a directory that its owner may not
// read.
func (p *packer) recorded(name string, st *unix.Stat_t) ([]byte, error) {
	mode := uint32(st.Mode) & 0o7777
	value, err := p.tree.GetXattr(name, rootlessOwner)
	if errors.Is(err, unix.EACCES) && p.tree.Chmod(name, mode|0o400) == nil {
		value, err = p.tree.GetXattr(name, rootlessOwner)
		err = errors.Join(err, p.tree.Chmod(name, mode))
	}
	return value, err
}
