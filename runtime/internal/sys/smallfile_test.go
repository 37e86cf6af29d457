package sys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file comes back as it was written, however long it is, and is replaced as
// a whole.
func TestFilesComeBack(t *testing.T) {
	p := filepath.Join(t.TempDir(), "f")
	if _, err := ReadFile(p); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadFile of nothing = %v; want ErrNotExist", err)
	}
	for _, size := range []int{0, 1, 4095, 4096, 4097, 1 << 17} {
		want := bytes.Repeat([]byte{'x'}, size)
		if err := ReplaceFile(p, want, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFile(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
		}
		if left, err := filepath.Glob(p + "?*"); err != nil || len(left) > 0 {
			t.Errorf("left beside the file: %q, %v", left, err)
		}
	}
	for range 2 { // the second time there is none
		if err := Remove(p); err != nil {
			t.Error(err)
		}
	}
	if err := ReplaceFile(filepath.Join(p, "f"), nil, 0o600); err == nil {
		t.Error("a file was written below nothing")
	}
}

// What is larger than anything that is written here is not read into memory.
func TestHugeFileIsRefused(t *testing.T) {
	p := filepath.Join(t.TempDir(), "f")
	if err := errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, most+1)); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := ReadJSON(p, &v); !errors.Is(err, errTooLarge) || !strings.Contains(err.Error(), "delete --force") {
		t.Errorf("ReadJSON of a large file = %v; want it refused, with the way out", err)
	}
}

// A file that holds something else says how to get rid of it.
func TestBrokenJSONSaysTheWayOut(t *testing.T) {
	p := filepath.Join(t.TempDir(), "f")
	if err := WriteJSON(WriteFile, p, map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	if err := ReadJSON(p, &got); err != nil || got["a"] != 1 {
		t.Errorf("ReadJSON = %v, %v", got, err)
	}
	if err := os.Truncate(p, 3); err != nil {
		t.Fatal(err)
	}
	if err := ReadJSON(p, &got); err == nil || !strings.Contains(err.Error(), p) || !strings.Contains(err.Error(), "delete --force") {
		t.Errorf("ReadJSON of a torn file = %v; want its name and the way out", err)
	}
}

func TestAlive(t *testing.T) {
	self := os.Getpid()
	start, ok, err := StartTime(self)
	if !ok || err != nil {
		t.Fatalf("StartTime of this process = %d, %v, %v", start, ok, err)
	}
	for _, c := range []struct {
		pid   int
		start uint64
		want  bool
	}{
		{self, start, true},
		{self, start + 1, false},
		{0, 0, false}, // no process of its own for kill(2)
		{-1, 0, false},
		{1 << 30, start, false}, // more than there can be
	} {
		if alive, err := Alive(c.pid, c.start); alive != c.want || err != nil {
			t.Errorf("Alive(%d, %d) = %v, %v; want %v", c.pid, c.start, alive, err, c.want)
		}
	}
}

func TestOpenIsNotHandedOn(t *testing.T) {
	fd, err := Open(t.TempDir(), unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseFD(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v; want that no exec hands it on", flags, err)
	}
}
