package main

// Operations on inherited sockets: a directory that is passed from one
// container to another, and what the receiver can reach through it.

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

// opSendDir opens a directory and sends it over the inherited socket args[0].
func opSendDir(_ *probe, args []string, _ *fact.Line) error {
	sock, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	dir, err := unix.Open(args[1], unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return unix.Sendmsg(sock, []byte{0}, unix.UnixRights(dir), nil, 0)
}

// opEscape receives a directory from the inherited socket args[0] and tries to
// read the host's file args[1] by way of it. Names tells each way that failed.
func opEscape(_ *probe, args []string, line *fact.Line) error {
	sock, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	dir, err := receiveDir(sock)
	if err != nil {
		return err
	}
	out := strings.Repeat("../", 40) + strings.TrimPrefix(args[1], "/")
	ways := []struct {
		name string
		open func() (int, error)
	}{
		{"openat", func() (int, error) { return unix.Openat(dir, out, unix.O_RDONLY, 0) }},
		{"fchdir", func() (int, error) {
			if err := unix.Fchdir(dir); err != nil {
				return -1, err
			}
			return unix.Open(out, unix.O_RDONLY, 0)
		}},
		{"chroot", func() (int, error) {
			if err := unix.Chroot("."); err != nil {
				return -1, err
			}
			return unix.Open(out, unix.O_RDONLY, 0)
		}},
	}
	for _, way := range ways {
		fd, werr := way.open()
		if werr != nil {
			line.Names = append(line.Names, way.name+": "+werr.Error())
			err = werr
			continue
		}
		b, rerr := io.ReadAll(os.NewFile(uintptr(fd), args[1]))
		line.Text = way.name + ": " + string(b)
		return rerr
	}
	return err
}

func receiveDir(sock int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	var n int
	var err error
	for {
		_, n, _, _, err = unix.Recvmsg(sock, make([]byte, 1), oob, 0)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(errors.New("no descriptor came"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(errors.New("no descriptor came"), err)
	}
	return fds[0], nil
}
