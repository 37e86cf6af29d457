package network

// newHostNet: the emulator leaves the host's interfaces alone, see oci's note
// on netbsd.cell.addresses.
func newHostNet() hostNet { return nil }
