package main

// Forbidden things to try on Linux.

import "syscall"

func tryMount() error { return syscall.Mount("tmpfs", "/tmp", "tmpfs", 0, "") }

func trySetTime() error {
	tv := now()
	return syscall.Settimeofday(&tv)
}
