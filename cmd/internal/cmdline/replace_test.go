package cmdline

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	read := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, text := range []string{"one", "two"} {
		if err := ReplaceBytes(path, 0o640, []byte(text)); err != nil || read(path) != text {
			t.Errorf("the file has %q, %v; want %q", read(path), err, text)
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o640 {
		t.Errorf("its mode is %v, %v", fi.Mode(), err)
	}

	// Who fails in the middle leaves what was there, and nothing else.
	fails := errors.New("disk full")
	err := ReplaceFile(path, 0o600, func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, fails)
	})
	if !errors.Is(err, fails) || !strings.Contains(err.Error(), path) || read(path) != "two" {
		t.Errorf("a write that fails: %v, and the file has %q", err, read(path))
	}

	// Where others may write, names that they have made lead nowhere.
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"out", "out.new", ".out.new"} {
		if err := os.Symlink("victim", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	if err := ReplaceBytes(out, 0o600, []byte("x")); err != nil || read(victim) != "precious" || read(out) != "x" {
		t.Errorf("%v, what the links led to has %q", err, read(victim))
	}
	if fi, err := os.Lstat(out); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("%s is %v, %v", out, fi.Mode(), err)
	}
	if err := ReplaceBytes("/dev/null", 0o600, nil); err == nil {
		t.Error("/dev/null was replaced")
	}
	if list, _ := filepath.Glob(dir + "/.*new?*"); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
}
