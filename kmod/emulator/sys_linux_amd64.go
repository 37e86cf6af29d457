package emulator

// System calls that only amd64 has, and what tells its programs from others.

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_X86_64
	// x32Bit marks a system call of the x32 ABI, which has its own numbers.
	x32Bit = 0x40000000

	sysMknod     = unix.SYS_MKNOD
	sysChown     = unix.SYS_CHOWN
	sysLchown    = unix.SYS_LCHOWN
	sysIopl      = unix.SYS_IOPL
	sysIoperm    = unix.SYS_IOPERM
	sysModifyLDT = unix.SYS_MODIFY_LDT
	sysSysctl    = unix.SYS__SYSCTL
)
