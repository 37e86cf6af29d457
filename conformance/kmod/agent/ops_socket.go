package agent

// Operations on sockets.

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func socketOps() map[string]operation {
	return map[string]operation{
		"bind": {2, false, opBind}, "listen": {2, false, opListen}, "connect": {2, false, opConnect},
		"autobind": {1, false, opAutobind}, "socket": {1, false, opSocket}, "drop": {0, false, opDrop},
		"mapped": {1, false, opMapped}, "beside": {2, false, opBeside},
	}
}

func socketType(proto string) int {
	if proto == "udp" {
		return unix.SOCK_DGRAM
	}
	return unix.SOCK_STREAM
}

func inetSocket(proto string, a netip.Addr) (int, error) {
	domain := unix.AF_INET6
	if a.Is4() {
		domain = unix.AF_INET
	}
	return openSocket(domain, socketType(proto), 0)
}

// openSocket keeps the socket from programs that the agent executes.
func openSocket(domain, kind, proto int) (int, error) {
	return unix.Socket(domain, kind|unix.SOCK_CLOEXEC, proto)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// BoundSocket binds a new socket to an address and port.
func BoundSocket(proto, address string) (int, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return -1, err
	}
	fd, err := inetSocket(proto, to.Addr())
	if err != nil {
		return -1, err
	}
	if !to.Addr().Is4() {
		// So that a wildcard is IPv6's alone on every system.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return fd, err
		}
	}
	return fd, unix.Bind(fd, sockaddr(to))
}

// opBind binds and closes. Cases that run beside this one may try the same
// port for a moment.
func opBind(_ *agent, args []string, _ *Reply) error {
	for tries := 0; ; tries++ {
		fd, err := BoundSocket(args[0], args[1])
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		if err != unix.EADDRINUSE || tries == 100 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// opBeside binds where another socket may be already: SO_REUSEADDR, then
// SO_REUSEPORT. It tells the first error.
func opBeside(_ *agent, args []string, _ *Reply) error {
	to, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		fd, err := inetSocket(args[0], to.Addr())
		if err != nil {
			return err
		}
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1)
		if err == nil {
			err = unix.Bind(fd, sockaddr(to))
		}
		_ = unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

// opListen binds, listens (tcp) and keeps the socket; it tells its port.
func opListen(a *agent, args []string, r *Reply) error {
	fd, err := BoundSocket(args[0], args[1])
	if fd >= 0 {
		a.held = append(a.held, os.NewFile(uintptr(fd), "socket"))
	}
	if err == nil && args[0] == "tcp" {
		err = unix.Listen(fd, 5)
	}
	if err != nil {
		return err
	}
	r.Size, err = LocalPort(fd)
	return err
}

// LocalPort is the port that a socket is bound to.
func LocalPort(fd int) (int, error) {
	sa, err := unix.Getsockname(fd)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return sa.Port, err
	case *unix.SockaddrInet6:
		return sa.Port, err
	}
	return 0, errors.Join(err, errors.New("the socket has no port"))
}

// opConnect connects without a bind.
func opConnect(_ *agent, args []string, r *Reply) error {
	to, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	fd, err := inetSocket(args[0], to.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Connect(fd, sockaddr(to)); err != nil {
		return err
	}
	r.Size, err = LocalPort(fd)
	return err
}

// opAutobind sends a datagram from a socket that was not bound.
func opAutobind(_ *agent, args []string, _ *Reply) error {
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	fd, err := inetSocket("udp", to.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Sendto(fd, []byte("x"), 0, sockaddr(to))
}

// opSocket opens a socket of a kind: inet/stream, inet6/dgram, inet/raw,
// unix/stream, route, link/dgram.
func opSocket(_ *agent, args []string, _ *Reply) error {
	name, kind, _ := strings.Cut(args[0], "/")
	types := map[string]int{"stream": unix.SOCK_STREAM, "dgram": unix.SOCK_DGRAM, "raw": unix.SOCK_RAW}
	domain, proto := unix.AF_UNIX, 0
	switch name {
	case "inet":
		domain = unix.AF_INET
	case "inet6":
		domain = unix.AF_INET6
	case "link":
		domain = linkDomain
	case "route":
		domain, kind, proto = routeDomain, "raw", routeProto
	}
	if kind == "raw" && name != "route" {
		proto = unix.IPPROTO_ICMP
		if name == "inet6" {
			proto = unix.IPPROTO_ICMPV6
		}
	}
	fd, err := openSocket(domain, types[kind], proto)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// opDrop closes everything that the agent holds open.
func opDrop(a *agent, _ []string, _ *Reply) error {
	for _, f := range a.held {
		_ = f.Close()
	}
	a.held = nil
	return nil
}

// opMapped binds an IPv6 socket to an IPv4-mapped address.
func opMapped(_ *agent, args []string, _ *Reply) error {
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	fd, err := openSocket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
}
