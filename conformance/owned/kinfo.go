package owned

// Reading NetBSD's process list, apart from the call so that it is tested
// anywhere.

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// kern.proc2 (sysctl(7)): operation ALL, elements of 680 bytes.
const (
	kinfoSize   = 680
	kinfoPid    = 116
	kinfoStatus = 360
	kinfoComm   = 368
	commLength  = 24
	maxComm     = 16 // MAXCOMLEN: what the kernel keeps of a name
	zombie      = 5
)

// namedIn finds the live processes of programs of these names in a kern.proc2
// answer.
func namedIn(list []byte, names ...string) map[int]string {
	for i, name := range names {
		names[i] = name[:min(len(name), maxComm)]
	}
	found := map[int]string{}
	for ; len(list) >= kinfoSize; list = list[kinfoSize:] {
		comm, _, _ := bytes.Cut(list[kinfoComm:kinfoComm+commLength], []byte{0})
		if slices.Contains(names, string(comm)) && list[kinfoStatus] != zombie {
			found[int(binary.NativeEndian.Uint32(list[kinfoPid:]))] = string(comm)
		}
	}
	return found
}
