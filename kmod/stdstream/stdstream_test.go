package stdstream

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv has this test's program write where nobody reads.
const childEnv = "STDSTREAM_TEST_WRITES"

// writes are how a stream is written to.
var writes = map[string]func(Stream) error{
	"Write":       func(s Stream) error { _, err := s.Write([]byte("text")); return err },
	"WriteString": func(s Stream) error { _, err := io.WriteString(s, "text"); return err },
	"ReadFrom":    func(s Stream) error { _, err := io.Copy(s, strings.NewReader("text")); return err },
	"Fprintln":    func(s Stream) error { _, err := fmt.Fprintln(s, "text"); return err },
}

// To write where nobody reads is an error and not the end, however it is done, on
// both descriptors of which the Go runtime makes an end.
func TestUnread(t *testing.T) {
	if write := os.Getenv(childEnv); write != "" {
		for _, f := range []*os.File{os.Stdout, os.Stderr} {
			if err := writes[write](Stream{f}); !errors.Is(err, ErrUnread) || !OnlyUnread(err) {
				os.Exit(1)
			}
		}
		os.Exit(3)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if Unread(int(w.Fd())) {
		t.Error("a pipe with a reader is unread")
	}
	_ = r.Close()
	if !Unread(int(w.Fd())) {
		t.Error("a pipe without a reader is not unread")
	}
	for write := range writes {
		cmd := exec.Command(os.Args[0], "-test.run=^TestUnread$")
		cmd.Env = append(os.Environ(), childEnv+"="+write)
		cmd.Stdout, cmd.Stderr = w, w
		_ = cmd.Run()
		if cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%s where nobody reads: %v; want it to go on with the error", write, cmd.ProcessState)
		}
	}
}

// A descriptor that is closed, or none, has no reader that went.
func TestUnreadOfNone(t *testing.T) {
	if Unread(1 << 20) {
		t.Error("a descriptor that is not open is unread")
	}
}

// All that is written arrives, also where the descriptor does not block.
func TestWrite(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD_CLOEXEC, 3) // Fd has made it block
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("0123456789", 100_000) // more than a pipe holds
	wrote := make(chan error, 1)
	go func() {
		f := os.NewFile(uintptr(fd), "pipe")
		n, err := Stream{f}.Write([]byte(text))
		if err == nil && n != len(text) {
			err = fmt.Errorf("wrote %d of %d", n, len(text))
		}
		wrote <- errors.Join(err, f.Close())
	}()
	b, err := io.ReadAll(r)
	if werr := <-wrote; werr != nil || err != nil || string(b) != text {
		t.Errorf("%d bytes arrive, %v, %v; want %d", len(b), err, werr, len(text))
	}
	if _, err := (Stream{r}).Write([]byte("x")); err == nil || errors.Is(err, ErrUnread) {
		t.Errorf("write to what is read = %v; want another error", err)
	}
}

func TestOnlyUnread(t *testing.T) {
	other := errors.New("other")
	wrapped := fmt.Errorf("write: %w", ErrUnread)
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{ErrUnread, true},
		{wrapped, true},
		{errors.Join(wrapped, ErrUnread), true},
		{unix.EPIPE, false}, // somebody else's pipe
		{other, false},
		{errors.Join(wrapped, other), false},
		{fmt.Errorf("%w (and %w)", other, wrapped), false},
	} {
		if got := OnlyUnread(c.err); got != c.want {
			t.Errorf("OnlyUnread(%v) = %v; want %v", c.err, got, c.want)
		}
	}
}

func TestFile(t *testing.T) {
	for _, w := range []io.Writer{os.Stdout, Stream{os.Stdout}} {
		if f, ok := File(w); !ok || f != os.Stdout {
			t.Errorf("File(%T) = %v, %v", w, f, ok)
		}
	}
	if f, ok := File(io.Discard); ok {
		t.Errorf("File(io.Discard) = %v", f)
	}
}
