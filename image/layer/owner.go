package layer

// Owners in archives. tar.Header has them as int, which on 32-bit ports ends
// where half of the ids begin.

import (
	"archive/tar"
	"fmt"
	"strconv"
)

const mostID = 1<<32 - 2 // 2^32-1 is "no change" to chown(2)

// OwnerOf reads an entry's owner. It is an error if one of the two is no id of
// 32 bits, or the one that chown(2) does not take.
func OwnerOf(hdr *tar.Header) (uid, gid uint32, err error) {
	u, g := idOf(hdr, "uid", hdr.Uid), idOf(hdr, "gid", hdr.Gid)
	if u < 0 || g < 0 || u > mostID || g > mostID {
		return 0, 0, fmt.Errorf("owner %d:%d is out of range", u, g)
	}
	return uint32(u), uint32(g), nil
}

// idOf prefers the text that the archive has for a number: the number may have
// been cut to an int. Large ids have a text, but for those in GNU's old
// binary form.
func idOf(hdr *tar.Header, record string, number int) int64 {
	if id, err := strconv.ParseInt(hdr.PAXRecords[record], 10, 64); err == nil {
		return id
	}
	return int64(number)
}

// SetOwner writes an entry's owner. It is an error where an int has no room for
// it.
func SetOwner(hdr *tar.Header, uid, gid uint32) error {
	hdr.Uid, hdr.Gid = int(uid), int(gid)
	if hdr.Uid < 0 || hdr.Gid < 0 {
		return fmt.Errorf("owner %d:%d is too large for a runcell of 32 bits: change it, or pack on another machine", uid, gid)
	}
	return nil
}
