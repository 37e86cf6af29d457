package main

// Operations on the network.

import (
	"errors"
	"net/netip"
	"strconv"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

// opBindTo binds a socket to an address and a port, "127.0.0.1:80".
func opBindTo(_ *probe, args []string, _ *fact.Line) error {
	fd, err := bound(args[0])
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// opListen does so and waits for connections from then on, beside what follows.
// The line tells the port.
func opListen(_ *probe, args []string, line *fact.Line) error {
	fd, err := bound(args[0])
	if err != nil {
		return err
	}
	if err := unix.Listen(fd, 1); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		line.Text = strconv.Itoa(at.Port)
	case *unix.SockaddrInet6:
		line.Text = strconv.Itoa(at.Port)
	}
	return nil
}

// bound makes a socket that is bound to an address and a port.
func bound(at string) (fd int, err error) {
	a, err := netip.ParseAddrPort(at)
	if err != nil {
		return -1, err
	}
	domain, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()})
	if a.Addr().Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	if fd, err = unix.Socket(domain, unix.SOCK_STREAM, 0); err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, to); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
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
