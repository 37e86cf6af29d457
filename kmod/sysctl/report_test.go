package sysctl

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
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
