package layer

// File flags: Linux has none that an image may keep.

import (
	"errors"

	"golang.org/x/sys/unix"
)

// haveFlags: what Linux has is something else, of some file systems. Tests set
// it.
var haveFlags bool

func flagsOf(*unix.Stat_t) uint32 { return 0 }

func generationOf(*unix.Stat_t) uint32 { return 0 }

// refusesMode tells whether a mode was refused for want of a right.
func refusesMode(err error) bool { return errors.Is(err, unix.EPERM) }
