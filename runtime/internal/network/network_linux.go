package network

// Linux gives a cell no addresses of its own.

// newHostNet: the emulator leaves the host's interfaces alone, see oci's note
// on netbsd.cell.addresses.
func newHostNet() hostNet { return nil }
