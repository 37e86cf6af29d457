package layer

// File flags of chflags(2).

import (
	"errors"

	"golang.org/x/sys/unix"
)

var haveFlags = true

func flagsOf(st *unix.Stat_t) uint32 { return st.Flags }

// generationOf tells files that had an inode one after the other apart.
func generationOf(st *unix.Stat_t) uint32 { return st.Gen }

// refusesMode tells whether a mode was refused for want of a right: EFTYPE is
// for the sticky bit of a file (chmod(2)).
func refusesMode(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EFTYPE) }
