package main

// NetBSD: who connects must be the same user, by what the kernel has kept of it
// (unix(4), LOCAL_PEEREID).

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"
)

func serverOptions() []ttrpc.ServerOpt {
	return []ttrpc.ServerOpt{ttrpc.WithServerHandshaker(sameUser{})}
}

// From <sys/un.h>, which x/sys lacks: the level of a local socket's options, and the
// option, whose value is a struct unpcbid.
const (
	solLocal     = 0
	localPeerEID = 3
)

// peer is struct unpcbid: who has connected, as it was then.
type peer struct {
	pid      int32
	uid, gid uint32
}

// sameUser lets connections of this process's user pass.
type sameUser struct{}

// Handshake refuses a connection of another user's. It gives nothing about the peer.
func (sameUser) Handshake(_ context.Context, conn net.Conn) (net.Conn, any, error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil, errors.New("look who connects: it is no local socket")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, nil, fmt.Errorf("look who connects: %w", err)
	}
	var p peer
	var errno unix.Errno
	size := uint32(unsafe.Sizeof(p))
	err = raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, solLocal, localPeerEID, uintptr(unsafe.Pointer(&p)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look who connects: %w", err)
	}
	if size != uint32(unsafe.Sizeof(p)) || int(p.uid) != os.Geteuid() {
		return nil, nil, fmt.Errorf("connect: process %d is user %d's, and only user %d may", p.pid, p.uid, os.Geteuid())
	}
	return conn, nil, nil
}
