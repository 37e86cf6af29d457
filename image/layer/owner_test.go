package layer

import (
	"archive/tar"
	"strconv"
	"testing"
)

// Ids that an int has no room for on 32-bit ports, and the one that is none.
var BigID, BiggestID, NoID uint32 = 4_000_000_000, 1<<32 - 2, 1<<32 - 1

// The text of a number counts where the number itself was cut.
func TestOwnerOf(t *testing.T) {
	text := func(uid, gid string) map[string]string { return map[string]string{"uid": uid, "gid": gid} }
	for name, c := range map[string]struct {
		hdr      tar.Header
		uid, gid uint32
		bad      bool
	}{
		"numbers":         {hdr: tar.Header{Uid: 7, Gid: 8}, uid: 7, gid: 8},
		"root":            {},
		"the largest":     {hdr: tar.Header{PAXRecords: text("4294967294", "4294967294")}, uid: 1<<32 - 2, gid: 1<<32 - 2},
		"negative number": {hdr: tar.Header{Gid: -1}, bad: true},
		"text":            {hdr: tar.Header{Uid: -294967296, Gid: -2, PAXRecords: text("4000000000", "4294967294")}, uid: 4_000_000_000, gid: 1<<32 - 2},
		"one text":        {hdr: tar.Header{Uid: 7, Gid: 8, PAXRecords: map[string]string{"gid": "8"}}, uid: 7, gid: 8},
		"empty text":      {hdr: tar.Header{Uid: 7, Gid: 8, PAXRecords: text("", "")}, uid: 7, gid: 8},
		"no id":           {hdr: tar.Header{PAXRecords: text("0", "4294967295")}, bad: true},
		"beyond 32 bits":  {hdr: tar.Header{PAXRecords: text("4294967296", "0")}, bad: true},
		"negative text":   {hdr: tar.Header{PAXRecords: text("-1", "0")}, bad: true},
	} {
		uid, gid, err := OwnerOf(&c.hdr)
		if (err != nil) != c.bad || uid != c.uid || gid != c.gid {
			t.Errorf("%s: %d:%d, %v; want %d:%d, an error: %t", name, uid, gid, err, c.uid, c.gid, c.bad)
		}
	}
}

// What a header has no room for is never written as something else.
func TestSetOwner(t *testing.T) {
	for _, id := range []uint32{0, 1<<31 - 1, BigID, BiggestID} {
		var hdr tar.Header
		if err := SetOwner(&hdr, 7, 0); err != nil || hdr.Uid != 7 || hdr.Gid != 0 {
			t.Errorf("7:0 is %d:%d, %v", hdr.Uid, hdr.Gid, err)
		}
		err := SetOwner(&hdr, id, 5)
		if fits := strconv.IntSize == 64 || id < 1<<31; fits != (err == nil) {
			t.Errorf("SetOwner(%d) = %v", id, err)
		} else if fits && (int64(hdr.Uid) != int64(id) || hdr.Gid != 5) {
			t.Errorf("SetOwner(%d) gives %d:%d", id, hdr.Uid, hdr.Gid)
		}
	}
}
