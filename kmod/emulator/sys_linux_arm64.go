package emulator

// System calls that arm64 lacks, and what tells its programs from others.

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_AARCH64
	x32Bit    = 0 // no such ABI

	sysMknod     = noCall
	sysChown     = noCall
	sysLchown    = noCall
	sysIopl      = noCall
	sysIoperm    = noCall
	sysModifyLDT = noCall
	sysSysctl    = noCall
)
