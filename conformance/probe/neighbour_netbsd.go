package main

// Stopping a process for a look on NetBSD.

import "golang.org/x/sys/unix"

// Requests of ptrace(2).
const ptAttach, ptDetach = 9, 10

// stopped stops a process, asks who it is, and lets it go.
func stopped(pid int, who func() string) string {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptAttach, uintptr(pid), 0, 0, 0, 0); errno != 0 {
		return ""
	}
	defer func() { _, _, _ = unix.Syscall6(unix.SYS_PTRACE, ptDetach, uintptr(pid), 1, 0, 0, 0) }()
	if await(pid, 0) != nil {
		return ""
	}
	return who()
}
