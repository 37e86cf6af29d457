package process

// How descriptors are received on Linux.

import (
	"golang.org/x/sys/unix"
)

// recvFlags keep received descriptors from leaking into the container.
const recvFlags = unix.MSG_CMSG_CLOEXEC
