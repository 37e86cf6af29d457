package main

// The terminal that a command is typed at, and a process that goes on without it.

import (
	"os"
	"path/filepath"
	"strings"
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
