package network

// Addresses of interfaces, as netintro(4) and inet6(4) have it.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Requests that x/sys does not name (netinet6/in6_var.h). Their structures,
// like those for IPv4, are the same on every port.
const (
	siocaifaddrIn6  = 0x8080696b // struct in6_aliasreq
	siocdifaddrIn6  = 0x81206919 // struct in6_ifreq
	siocgifaflagIn6 = 0xc1206949 // struct in6_ifreq
)

// family is how one address family spells the requests.
type family struct {
	domain, sockaddr int // AF_, size of a sockaddr
	address          int // where the address lies in a sockaddr
	has, add, remove uint
	hasSize, addSize int // of the structures
	removeSize       int
	lifetimes        int // where add's structure has them, 0 = nowhere
}

var (
	inet = family{
		domain: unix.AF_INET, sockaddr: unix.SizeofSockaddrInet4, address: 4,
		has: unix.SIOCGIFALIAS, add: unix.SIOCAIFADDR, remove: unix.SIOCDIFADDR,
		hasSize: 64, addSize: 64, removeSize: 144,
	}
	inet6 = family{
		domain: unix.AF_INET6, sockaddr: unix.SizeofSockaddrInet6, address: 8,
		has: siocgifaflagIn6, add: siocaifaddrIn6, remove: siocdifaddrIn6,
		hasSize: 288, addSize: 128, removeSize: 288, lifetimes: 120,
	}
)

func familyOf(a netip.Addr) *family {
	if a.Is4() {
		return &inet
	}
	return &inet6
}

const nameSize = 16 // IFNAMSIZ: every request begins with the interface's name

// put writes a sockaddr.
func (f *family) put(to []byte, address []byte) {
	to[0], to[1] = byte(f.sockaddr), byte(f.domain)
	copy(to[f.address:], address)
}

// request makes a structure that names an interface and an address.
func (f *family) request(size int, a oci.Address) []byte {
	b := make([]byte, size)
	copy(b[:nameSize-1], a.Interface)
	f.put(b[nameSize:], a.Prefix.Addr().AsSlice())
	return b
}

func (f *family) ioctl(request uint, b []byte) error {
	fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer sys.CloseFD(fd)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&b[0])))
	if errors.Is(errno, unix.ENXIO) {
		return fmt.Errorf("%w: this host has no such interface (`ifconfig -l` lists them)", errno)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// interfaces is the real hostNet.
type interfaces struct{}

func newHostNet() hostNet { return interfaces{} }

func (interfaces) has(a oci.Address) (bool, error) {
	f := familyOf(a.Prefix.Addr())
	err := f.ioctl(f.has, f.request(f.hasSize, a))
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return false, nil
	}
	return err == nil, err
}

func (interfaces) add(a oci.Address) error {
	f := familyOf(a.Prefix.Addr())
	b := f.request(f.addSize, a)
	// The mask is the third address; the second, the other end's or the
	// broadcast one, is the kernel's to find.
	f.put(b[nameSize+2*f.sockaddr:], mask(a.Prefix))
	if f.lifetimes > 0 {
		const infinite = 0xffffffff
		binary.NativeEndian.PutUint32(b[f.lifetimes:], infinite)
		binary.NativeEndian.PutUint32(b[f.lifetimes+4:], infinite)
	}
	return f.ioctl(f.add, b)
}

func (interfaces) remove(a oci.Address) error {
	f := familyOf(a.Prefix.Addr())
	err := f.ioctl(f.remove, f.request(f.removeSize, a))
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENXIO) {
		return nil
	}
	return err
}

// usable binds a socket to the address.
func (interfaces) usable(a netip.Addr) (bool, error) {
	var to unix.Sockaddr = &unix.SockaddrInet6{Addr: a.As16()}
	if a.Is4() {
		to = &unix.SockaddrInet4{Addr: a.As4()}
	}
	fd, err := unix.Socket(familyOf(a).domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("open socket: %w", err)
	}
	defer sys.CloseFD(fd)
	err = unix.Bind(fd, to)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return false, nil
	}
	return err == nil, err
}

// mask is a prefix length as an address.
func mask(p netip.Prefix) []byte {
	b := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}
