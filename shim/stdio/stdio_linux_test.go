package stdio

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A program that logs has read all when others hear of the end.
func TestFlush(t *testing.T) {
	dir := t.TempDir()
	program, going := filepath.Join(dir, "logger"), filepath.Join(dir, "going")
	// One stream after the other.
	text := "#!/bin/sh\nexec 5>&-\nuntil [ -e " + going + " ]; do sleep 0.01; done\ncat <&3\ncat <&4\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, Spec{Out: "binary://" + program, Err: "binary://" + program})
	_, out, errs := s.Files()
	for _, f := range []*os.File{out, errs} {
		if _, err := f.WriteString("the last words"); err != nil {
			t.Fatal(err)
		}
	}
	s.Given()
	time.AfterFunc(50*time.Millisecond, func() { _ = os.WriteFile(going, nil, 0o600) })
	if !s.unread() {
		t.Fatal("nobody reads, and nothing is unread")
	}
	s.Flush()
	if s.logger.out != nil || s.logger.err != nil {
		t.Error("Flush has not waited for the logger, or not told it of the end")
	}
	s.End()
	s.Flush() // has nothing to wait for
	select {
	case <-s.logger.exited: // it finds the end of its streams
	case <-time.After(20 * time.Second):
		t.Error("the logger finds no end")
	}
}

// A size that is given before there is a terminal is the terminal's.
func TestSizeComesFirst(t *testing.T) {
	s := open(t, Spec{Terminal: true})
	if err := s.Resize(100, 30); err != nil {
		t.Fatal(err)
	}
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Attach(master); err != nil {
		t.Fatal(err)
	}
	if got, err := pty.GetsizeFull(slave); err != nil || got.Cols != 100 || got.Rows != 30 {
		t.Errorf("size %+v, %v", got, err)
	}
	_ = slave.Close()
	s.Close()
	if err := s.Resize(1, 1); err != nil {
		t.Errorf("Resize after the end = %v", err)
	}
	if err := open(t, Spec{}).Resize(1, 1); err == nil {
		t.Error("Resize without a terminal = nil")
	}
}
