package snapshots

// One file system is written to disk.

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFileSystem writes the file system of f to the disk (syncfs(2)).
func syncFileSystem(f *os.File) error { return unix.Syncfs(int(f.Fd())) }
