package main

// Room for many processes: NetBSD comes with kern.maxproc=1044, for all users, and
// lets none have more.

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// crowd becomes a program that may start so many processes.
func crowd(processes int, args []string) error {
	const kern, maxproc = 1, 6 // CTL_KERN, KERN_MAXPROC
	if _, err := sysctl([]int32{kern, maxproc}, binary.NativeEndian.AppendUint32(nil, uint32(processes)), nil); err != nil {
		return fmt.Errorf("set kern.maxproc to %d: %w", processes, err)
	}
	n := uint64(processes)
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}); err != nil {
		return fmt.Errorf("set the limit of processes to %d: %w", processes, err)
	}
	return fmt.Errorf("execute %s: %w", args[0], unix.Exec(args[0], args, os.Environ()))
}
