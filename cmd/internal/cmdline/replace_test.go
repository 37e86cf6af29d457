package cmdline

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// What a killed one has left goes with the next of that name. What is not such a
// file, or is being written, stays.
func TestReplaceFileKilled(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var killed, busy string
	err := ReplaceFile(path, 0o600, func(io.Writer) error {
		list, err := filepath.Glob(dir + "/.file.new-*")
		if err != nil || len(list) != 1 {
			t.Fatalf("while it is written there is %q, %v", list, err)
		}
		busy = list[0]
		killed = busy[:len(busy)-1] + "A"
		if killed == busy {
			killed = busy[:len(busy)-1] + "B"
		}
		return os.WriteFile(killed, []byte("half"), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	stay := []string{"/.file.new", "/.file.new-", "/.file.new1234", "/.file.new-1234", "/.other" + filepath.Base(killed)[len(".file"):], "/file2"}
	for _, name := range stay {
		if err := os.WriteFile(dir+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	end := func(c string) string { return strings.TrimPrefix(killed[:len(killed)-1]+c, dir) }
	if err := errors.Join(os.Symlink("file2", dir+end("C")), unix.Mkfifo(dir+end("D"), 0o600), os.Mkdir(dir+end("E"), 0o700),
		os.Link(dir+"/file2", dir+end("F"))); err != nil {
		t.Fatal(err)
	}
	stay = append(stay, end("C"), end("D"), end("E"), end("F"))
	if os.Geteuid() == 0 {
		if err := errors.Join(os.WriteFile(dir+end("G"), nil, 0o600), os.Chown(dir+end("G"), 12345, 12345)); err != nil {
			t.Fatal(err)
		}
		stay = append(stay, end("G"))
	}
	err = ReplaceFile(path, 0o600, func(io.Writer) error { // one in another
		if _, err := os.Lstat(killed); err == nil {
			t.Errorf("%s is still there", killed)
		}
		return ReplaceBytes(path, 0o600, []byte("inner"))
	})
	if err != nil {
		t.Errorf("the one that was being written is gone: %v", err)
	}
	for _, name := range stay {
		if _, err := os.Lstat(dir + name); err != nil {
			t.Errorf("what is not ours is gone: %v", err)
		}
	}
}

// What would keep a file from being written is known before, and nothing is left.
func TestCheckReplace(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, good := range map[string]bool{
		filepath.Join(dir, "new"): true, filepath.Join(dir, "old"): true, filepath.Join(dir, "missing/new"): false,
		filepath.Join(dir, "old/new"): false, dir: false, os.DevNull: false,
	} {
		if err := CheckReplace(path); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "write "+path) {
			t.Errorf("CheckReplace(%s) = %v; want an error %v", path, err, !good)
		}
	}
	list, err := os.ReadDir(dir)
	if text, rerr := os.ReadFile(filepath.Join(dir, "old")); err != nil || rerr != nil || len(list) != 1 || string(text) != "text" {
		t.Errorf("left are %v, %v, %q, %v", list, err, text, rerr)
	}
}
