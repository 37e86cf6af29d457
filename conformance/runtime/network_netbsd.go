// Interfaces of a case's own.

package runtime

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// makeInterface makes an interface such as tap0 until the case is over, and
// sets it up.
func makeInterface(t *t, name string) {
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
	t.Cleanup(func() {
		if err := request(destroy, 0); err != nil {
			t.Errorf("clean up: destroy %s: %v", name, err)
		}
		_ = unix.Close(fd)
	})
	t.Must("make "+name, request(create, 0))
	t.Must("set up "+name, request(setFlags, up))
}
