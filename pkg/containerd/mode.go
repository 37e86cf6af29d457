package netbsd

// Modes of files: what package os has in high bits, chmod(2) has in low ones.

import "io/fs"

// modeBits are those of chmod(2). A plain conversion loses setuid, setgid and
// the sticky bit.
func modeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for mode, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&mode != 0 {
			bits |= bit
		}
	}
	return bits
}
