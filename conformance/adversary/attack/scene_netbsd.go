package attack

// What a scene has of NetBSD: terminals, queues of events, flags of files.

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemOpenings are those that only NetBSD has.
func systemOpenings() []opening {
	return []opening{
		{"inet6", func() (int, error) { return unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0) }},
		{"route", func() (int, error) { return unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, 0) }},
		{"kq", unix.Kqueue},
		{"ptm", func() (int, error) { return unix.Open("/dev/ptm", unix.O_RDWR|unix.O_NOCTTY, 0) }},
		{"pty", func() (int, error) { return pty(true) }},
		{"pts", func() (int, error) { return pty(false) }},
	}
}

// Where the other ends of terminals stay open.
const otherMaster, otherSlave = firstFD - 1, firstFD - 2

// pty opens a terminal and gives its master or its slave.
func pty(master bool) (int, error) {
	ptm, err := unix.Open("/dev/ptm", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(ptm) }()
	const get = 0x48087446 // TIOCPTMGET; x/sys has an older call's
	var p unix.Ptmget
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ptm), get, uintptr(unsafe.Pointer(&p))); errno != 0 {
		return 0, errno
	}
	take, other, at := p.Cfd, p.Sfd, otherSlave
	if !master {
		take, other, at = p.Sfd, p.Cfd, otherMaster
	}
	defer func() { _ = unix.Close(int(other)) }()
	return int(take), unix.Dup2(int(other), at)
}

// unfix takes flags and modes off files that their owner can't remove otherwise.
func unfix(dir string) {
	for _, name := range []string{"", "/file", "/dir"} {
		_ = unix.Chflags(dir+name, 0)
		_ = unix.Chmod(dir+name, 0o700)
	}
}
