package sys

import (
	"encoding/binary"
	"testing"
)

// A process in execve(2) is not dead: the kernel only tells less of it.
func TestParseKinfo(t *testing.T) {
	const running, sleeping, dying, zombie = 7, 3, 3, 5
	for _, c := range []struct {
		name  string
		state byte
		valid bool
		start uint64
		want  life
	}{
		{"running", running, true, 7000011, lives},
		{"sleeping", sleeping, true, 7000011, lives},
		{"in execve", procActive, false, 0, busy},
		{"stopped, in execve", procStop, false, 0, busy},
		{"being forked", procIdle, false, 0, busy},
		{"dying", dying, false, 0, ended},
		{"zombie", zombie, false, 0, ended},
	} {
		b := make([]byte, kinfoSize)
		b[kinfoStat] = c.state
		if c.valid {
			binary.NativeEndian.PutUint64(b[kinfoValid:], 1)
			binary.NativeEndian.PutUint32(b[kinfoStartSec:], 7)
			binary.NativeEndian.PutUint32(b[kinfoStartUs:], 11)
		}
		if start, got := parseKinfo(b); start != c.start || got != c.want {
			t.Errorf("%s: parseKinfo = %d, %d; want %d, %d", c.name, start, got, c.start, c.want)
		}
	}
	if _, got := parseKinfo(nil); got != ended {
		t.Errorf("no record: %d; want ended", got)
	}
}
