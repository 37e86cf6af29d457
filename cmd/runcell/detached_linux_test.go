package main

// The terminal that a command is typed at, and a process that goes on without it.

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/netbsd-cells/runcell/runtime"
)

func TestDetachedGetsNoTerminal(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		line    string
		streams [3]*os.File
		want    string // n null device, l log, o ours; empty = nothing is said, so it is ours
	}{
		{"run -d web", [3]*os.File{tty, tty, tty}, "nll"},
		{"create web", [3]*os.File{tty, tty, tty}, "nll"},
		{"exec -d web /x", [3]*os.File{tty, tty, tty}, "nll"},
		{"run -d web", [3]*os.File{tty, null, null}, "noo"},
		{"run -d web", [3]*os.File{null, null, tty}, "ool"},
		{"run -d web", [3]*os.File{null, null, null}, ""},
		{"create web", [3]*os.File{null, null, null}, ""},
		{"create --console-socket /s web", [3]*os.File{tty, tty, tty}, ""},
		{"run web", [3]*os.File{tty, tty, tty}, ""},
		{"exec --tty web /x", [3]*os.File{tty, tty, tty}, ""},
	} {
		root := t.TempDir()
		log := filepath.Join(root, "@logs", "web.log")
		f := &fake{streams: &c.streams}
		args := append([]string{"--root", root}, strings.Fields(c.line)...)
		_, stderr, code := f.runcell(t, args...)
		s := f.create.Streams
		if strings.HasPrefix(c.line, "exec") {
			s = f.exec.Streams
		}
		if got := kinds(s, c.streams, log); got != c.want || code != 0 {
			t.Errorf("%s: the streams are %q, code %d, %q; want %q", c.line, got, code, stderr, c.want)
		}
		if strings.Contains(c.want, "l") != strings.Contains(stderr, log) {
			t.Errorf("%s: said %q; want to read where the output goes, if it does not come here", c.line, stderr)
		}
	}
}

func kinds(s *runtime.Streams, ours [3]*os.File, log string) (kinds string) {
	if s == nil {
		return ""
	}
	for i, f := range []*os.File{s.In, s.Out, s.Err} {
		switch {
		case f == nil:
			kinds += "n"
		case f.Name() == log:
			kinds += "l"
		case f == ours[i]:
			kinds += "o"
		}
	}
	return kinds
}

// What stands in a log's place is neither followed nor waited for, and a command
// that fails leaves no log.
func TestDetachedLogs(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	root, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	logs := filepath.Join(root, "@logs")
	if err := errors.Join(
		os.Mkdir(logs, 0o700), os.WriteFile(other, nil, 0o600), os.WriteFile(filepath.Join(logs, "kept.log"), nil, 0o600),
		os.Symlink(other, filepath.Join(logs, "link.log")), os.Symlink("/nowhere/x", filepath.Join(logs, "dangling.log")),
		syscall.Mkfifo(filepath.Join(logs, "fifo.log"), 0o600), os.Mkdir(filepath.Join(logs, "dir.log"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   string
		err  error
		want string // in the error
		left bool   // a log is there
	}{
		{"new", nil, "", true},
		{"kept", errors.New("no cell"), "no cell", true},
		{"failed", errors.New("no cell"), "no cell", false},
		{"link", nil, "open the log of the output", true},
		{"dangling", nil, "open the log of the output", true},
		{"fifo", nil, "open the log of the output", true},
		{"dir", nil, "open the log of the output", true},
		{strings.Repeat("i", 255), nil, "give the command a standard output of its own", false},
	} {
		f := &fake{streams: &[3]*os.File{tty, tty, tty}, err: c.err}
		_, stderr, code := f.runcell(t, "--root", root, "run", "-d", c.id)
		if (c.want == "") != (code == 0) || !strings.Contains(stderr, c.want) {
			t.Errorf("run -d %.20s: code %d, %q; want %q", c.id, code, stderr, c.want)
		}
		fi, err := os.Lstat(filepath.Join(logs, c.id+".log"))
		if (err == nil) != c.left {
			t.Errorf("run -d %.20s: its log: %v; want it to be there %v", c.id, err, c.left)
		}
		if c.id == "new" && err == nil && fi.Mode() != 0o600 {
			t.Errorf("a new log has mode %v", fi.Mode())
		}
	}
}
