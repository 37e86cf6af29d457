package main

// Operations on the network.

import (
	"errors"
	"net/netip"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

// opBindTo binds a socket to an address and a port, "127.0.0.1:80".
func opBindTo(_ *probe, args []string, _ *fact.Line) error {
	a, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	domain, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()})
	if a.Addr().Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Bind(fd, to), unix.Close(fd))
}

// opConnect connects to a local socket; a name that begins with "@" is an
// abstract one, as Linux has them.
func opConnect(_ *probe, args []string, _ *fact.Line) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: args[0]}), unix.Close(fd))
}
