package runtime

// Interfaces of a case's own.

import (
	"encoding/binary"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// makeTap makes the interface tapUNIT until the case is over, and sets it up.
// It has a carrier as long as its device is open, tap(4).
func makeTap(t *t, unit int) {
	name := "tap" + strconv.Itoa(unit)
	const create, destroy, setFlags, up = 0x8090697a, 0x80906979, 0x80906910, 0x1 // SIOCIFCREATE ...
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	t.Must("open socket", err)
	request := func(call uintptr, flags byte) error {
		var q [144]byte // struct ifreq
		copy(q[:], name)
		q[16] = flags
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), call, uintptr(unsafe.Pointer(&q))); errno != 0 {
			return errno
		}
		return nil
	}
	node, device := t.Path(name), -1
	t.Cleanup(func() {
		_ = unix.Close(device)
		if err := request(destroy, 0); err != nil {
			t.Errorf("clean up: destroy %s: %v", name, err)
		}
		_ = unix.Close(fd)
	})
	t.Must("make "+name, request(create, 0))
	t.Must("make node", unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(majorOf(t, "tap"), uint32(unit)))))
	device, err = unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	t.Must("open "+name, err)
	t.Must("set up "+name, request(setFlags, up))
}

// majorOf is a driver's character device number: kern.drivers is a list of
// {character, block, name}.
func majorOf(t *t, driver string) uint32 {
	const record, name = 32, 8
	b, err := unix.SysctlRaw("kern.drivers")
	t.Must("list drivers", err)
	for ; len(b) >= record; b = b[record:] {
		if unix.ByteSliceToString(b[name:record]) == driver {
			return binary.NativeEndian.Uint32(b)
		}
	}
	t.Skipf("this kernel has no %s", driver)
	return 0
}
