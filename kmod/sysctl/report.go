package sysctl

// What comes back from the helper: two pipes, one with the list of members,
// one with the step that failed.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// readMembers reads the helper's report of the list.
func readMembers(r io.Reader) ([]member, error) {
	var size uintptr
	head := unsafe.Slice((*byte)(unsafe.Pointer(&size)), unsafe.Sizeof(size))
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("read the list's length: %w", err)
	}
	if size > 2*maxRoom*procSize {
		return nil, fmt.Errorf("list of %d bytes", size)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	if len(b) != int(size) {
		return nil, fmt.Errorf("read the list: %d of %d bytes: %w", len(b), size, io.ErrUnexpectedEOF)
	}
	return decodeProcs(b)
}

// decodeProcs reads an array of struct kinfo_proc2.
func decodeProcs(b []byte) ([]member, error) {
	if len(b)%procSize != 0 {
		return nil, fmt.Errorf("%d bytes of processes are no multiple of %d", len(b), procSize)
	}
	members := make([]member, 0, len(b)/procSize)
	for ; len(b) > 0; b = b[procSize:] {
		pid := int32(binary.NativeEndian.Uint32(b[procPid:]))
		if pid <= 0 {
			return nil, fmt.Errorf("process %d in a cell", pid)
		}
		stat := b[procStat]
		members = append(members, member{int(pid), stat == statZombie || stat == statDead})
	}
	return members, nil
}

// readFailure reads which step failed, nil if none did.
func readFailure(r io.Reader, names []string) error {
	var b [stage.RecordSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("read the helper's report: %w", err)
	}
	rec, err := stage.ParseRecord(b[:])
	if err != nil {
		return err
	}
	return rec.Err(names)
}

// pipe is read with a deadline and written blocking. Neither end is known to
// Go's poller: it watches by kqueue, and old kernels crash (filt_piperead) when
// a watched pipe loses its other end at the wrong moment; poll(2) is safe.
type pipe struct {
	r, w     int
	deadline time.Time
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return &pipe{r: fds[0], w: fds[1], deadline: time.Now().Add(helperPatience)}, nil
}

// Read gives what is there, and os.ErrDeadlineExceeded when nothing came.
func (p *pipe) Read(b []byte) (int, error) {
	for {
		left := time.Until(p.deadline)
		if left <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		ready := []unix.PollFd{{Fd: int32(p.r), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, int(left/time.Millisecond)+1)
		if n > 0 { // and no error
			n, err = syscall.Read(p.r, b)
			if n == 0 && len(b) > 0 {
				return 0, io.EOF
			}
			if err == nil {
				return n, nil
			}
		}
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 0, os.NewSyscallError("read pipe", err)
		}
	}
}

func (p *pipe) closeWriter() {
	if p.w != -1 {
		_ = syscall.Close(p.w)
		p.w = -1
	}
}

func (p *pipe) close() {
	_ = syscall.Close(p.r)
	p.closeWriter()
}
