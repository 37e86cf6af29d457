package owned

// Reading NetBSD's process list, apart from the call so that it is tested
// anywhere.

import (
	"bytes"
	"encoding/binary"
)

// kern.proc2 (sysctl(7)): operation ALL, elements of 680 bytes.
const (
	kinfoSize   = 680
	kinfoPid    = 116
	kinfoStatus = 360
	kinfoComm   = 368
	commLength  = 24
	zombie      = 5
)

// probesIn finds the live processes named "probe" in a kern.proc2 answer.
func probesIn(list []byte) map[int]string {
	found := map[int]string{}
	for ; len(list) >= kinfoSize; list = list[kinfoSize:] {
		comm, _, _ := bytes.Cut(list[kinfoComm:kinfoComm+commLength], []byte{0})
		if string(comm) == "probe" && list[kinfoStatus] != zombie {
			found[int(binary.NativeEndian.Uint32(list[kinfoPid:]))] = "probe"
		}
	}
	return found
}
