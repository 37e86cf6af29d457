package harness

// How busy the machine is: vm.loadavg.

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// load is how many processes want to run, the average of a minute: struct
// loadavg of vm.loadavg (sysctl(7)), three numbers and their scale.
func load() float64 {
	b, err := unix.SysctlRaw("vm.loadavg")
	if err != nil {
		return 0
	}
	const word = 4
	minute := binary.NativeEndian.Uint32(b)
	switch len(b) {
	case 4 * word: // the scale is a long of 32 bits
		return float64(minute) / float64(binary.NativeEndian.Uint32(b[3*word:]))
	case 6 * word: // of 64, aligned
		return float64(minute) / float64(binary.NativeEndian.Uint64(b[4*word:]))
	}
	return 0
}
