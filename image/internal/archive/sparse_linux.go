package archive

// Holes that Linux's file systems know of (lseek(2)).

import (
	"os"

	"golang.org/x/sys/unix"
)

// errNoData is the error of seekData behind the last byte that is no hole.
const errNoData = unix.ENXIO

// seekData gives the first place, from at on, that is not known to be a hole.
func seekData(f *os.File, at int64) (int64, error) {
	return unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
}
