package sysctl

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A helper that a root process in the cell has stopped must not stop runcell.
func TestPipeDeadline(t *testing.T) {
	p, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.deadline = time.Now().Add(20 * time.Millisecond)
	if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read of a silent pipe = %d, %v", n, err)
	}
}

// What can't be read is no silence, and what has no room is no end.
func TestPipeErrors(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	p := &pipe{r: int(dir.Fd()), w: -1, deadline: time.Now().Add(time.Minute)}
	if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.EISDIR) {
		t.Errorf("Read of a directory = %d, %v; want EISDIR", n, err)
	}
	if p, err = newPipe(); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := syscall.Write(p.w, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Read(nil); n != 0 || err != nil {
		t.Errorf("Read of nothing = %d, %v", n, err)
	}
}

// Both ends are closed, and each once: the number may be another's by then.
func TestPipeIsClosedOnce(t *testing.T) {
	open := func(fd int) bool {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err == nil
	}
	p, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	w := p.w
	p.closeWriter()
	other, err := syscall.Dup(p.r) // the lowest that is free
	if err != nil {
		t.Fatal(err)
	}
	p.closeWriter()
	if other != w || !open(other) {
		t.Errorf("descriptor %d is closed, which became another's", other)
	}
	_ = syscall.Close(other)
	p.close()
	if p, err = newPipe(); err != nil {
		t.Fatal(err)
	}
	p.close()
	if r, w := open(p.r), open(w); r || w {
		t.Errorf("after close the reader is open: %v, the writer: %v", r, w)
	}
}

// A list is one of whole structures, of processes that there can be, and not
// longer than is believed.
func TestReadMembers(t *testing.T) {
	proc := func(pid int32, stat byte) string {
		b := make([]byte, procSize)
		binary.NativeEndian.PutUint32(b[procPid:], uint32(pid))
		b[procStat] = stat
		return string(b)
	}
	head := func(n uintptr) string { return string(view(&n)) }
	whole := func(list string) string { return head(uintptr(len(list))) + list }
	const most = 2 * maxRoom * procSize
	for what, c := range map[string]struct {
		says string
		want []member
		err  error  // which it is, when it is not nil
		text string // of another error
	}{
		"three":             {whole(proc(7, 2) + proc(8, statZombie) + proc(9, statDead)), []member{{7, false}, {8, true}, {9, true}}, nil, ""},
		"nobody":            {whole(""), []member{}, nil, ""},
		"no head":           {"", nil, io.EOF, ""},
		"half a head":       {head(1)[:3], nil, io.ErrUnexpectedEOF, ""},
		"less than it says": {head(2*procSize) + proc(7, 2), nil, io.ErrUnexpectedEOF, ""},
		"the most there is": {head(most), nil, io.ErrUnexpectedEOF, ""},
		"more than that":    {head(most + 1), nil, nil, "list of 178257921 bytes"},
		"half a structure":  {whole(proc(7, 2)[:procSize/2]), nil, nil, "no multiple of 680"},
		"process 0":         {whole(proc(0, 2)), nil, nil, "process 0 in a cell"},
		"process -1":        {whole(proc(-1, 2)), nil, nil, "process -1 in a cell"},
	} {
		got, err := readMembers(strings.NewReader(c.says))
		switch {
		case c.want != nil:
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, %v; want %v", what, got, err, c.want)
			}
		case c.err != nil && !errors.Is(err, c.err), c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)):
			t.Errorf("%s: %v, %v; want %v%s", what, got, err, c.err, c.text)
		}
	}
}

func TestPipeEnds(t *testing.T) {
	p, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := syscall.Write(p.w, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	p.closeWriter()
	if b, err := io.ReadAll(p); string(b) != "abc" || err != nil {
		t.Errorf("ReadAll = %q, %v", b, err)
	}
}
