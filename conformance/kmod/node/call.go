package node

// A raw call of a node as data, and its answer: they go over a pipe to a member.

import (
	"errors"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Call is one __sysctl(2) of a node below security.models.cell.
type Call struct {
	Name string `json:"name"`
	// Request is written, unless it is empty. BadRequest writes as many bytes
	// from an address where there is nothing.
	Request    []byte `json:"request,omitempty"`
	BadRequest int    `json:"badRequest,omitempty"`
	// Room is how many bytes the reply may take. NoReply gives no buffer, and
	// the length is asked for; BadReply gives an address where there is nothing.
	Room     int  `json:"room,omitempty"`
	NoReply  bool `json:"noReply,omitempty"`
	BadReply bool `json:"badReply,omitempty"`
}

// Reply is what came of a call.
type Reply struct {
	Errno  string `json:"errno,omitempty"` // the name; empty is success
	Detail string `json:"detail,omitempty"`
	Bytes  []byte `json:"bytes,omitempty"`
	Size   int    `json:"size,omitempty"` // the bytes that the kernel has or needs
}

// Other stands in Errno for an error that is no errno: Detail says more.
const Other = "other"

// Result is the errno's name, or "ok".
func (r Reply) Result() string {
	if r.Errno == "" {
		return "ok"
	}
	return r.Errno
}

// Failed is the reply that tells an error; nil is success.
func Failed(err error) Reply {
	var errno syscall.Errno
	switch {
	case err == nil:
		return Reply{}
	case errors.As(err, &errno):
		name := unix.ErrnoName(errno)
		if name == "" {
			name = strconv.Itoa(int(errno))
		}
		return Reply{Errno: name, Detail: err.Error()}
	}
	return Reply{Errno: Other, Detail: err.Error()}
}
