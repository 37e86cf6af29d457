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

// pipe has a reader with a deadline and a writer that blocks.
type pipe struct {
	r *os.File
	w int
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p := &pipe{w: fds[1]}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		_ = syscall.Close(fds[0])
		p.closeWriter()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p.r = os.NewFile(uintptr(fds[0]), "helper's pipe")
	if err := p.r.SetReadDeadline(time.Now().Add(helperPatience)); err != nil {
		p.close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return p, nil
}

func (p *pipe) closeWriter() {
	if p.w >= 0 {
		_ = syscall.Close(p.w)
		p.w = -1
	}
}

func (p *pipe) close() {
	_ = p.r.Close()
	p.closeWriter()
}
