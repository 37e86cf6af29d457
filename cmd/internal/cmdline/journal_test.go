package cmdline

// What is logged.

import (
	"bytes"
	"context"
	"errors"
	"io"
	stdlog "log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"github.com/urfave/cli/v3"
)

// What a library says by the standard logger is a debug message like any other:
// net/http prints there what a registry sends out of turn.
func TestLibrariesLogAsWeDo(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"x", "say"}, ""},
		{[]string{"x", "--debug", "say"}, "runcell: debug: a line?[31m\n"},
	} {
		var out bytes.Buffer
		p := Program{Stdout: &out, Stderr: &out}
		root := p.Root()
		root.Commands = []*cli.Command{{Name: "say", Action: func(context.Context, *cli.Command) error {
			stdlog.Print("a line\x1b[31m")
			return nil
		}}}
		Prepare(root)
		if code := p.Run(root, c.args); code != 0 || out.String() != c.want {
			t.Errorf("%q: code %d, %q; want %q", c.args, code, out.String(), c.want)
		}
	}
}

// Who has the same file and knows when it is moved writes for the journal.
func TestDivert(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	var out, moved bytes.Buffer
	p := Program{Stdout: &out, Stderr: &out}
	root := p.Root()
	root.Commands = []*cli.Command{{Name: "say", Action: func(context.Context, *cli.Command) error {
		p.Journal.Flush()
		log.L.Warn("one")
		back := p.Journal.Divert(&moved)
		log.L.Warn("two")
		back()
		log.L.Warn("three")
		return p.Journal.Close()
	}}}
	Prepare(root)
	if code := p.Run(root, []string{"x", "--log", file, "say"}); code != 0 {
		t.Errorf("status %d: %s", code, out.String())
	}
	b, err := os.ReadFile(file)
	if got := string(b); err != nil || !strings.Contains(got, "one") || strings.Contains(got, "two") || !strings.Contains(got, "three") || !strings.Contains(moved.String(), "two") {
		t.Errorf("the file has %q, %v, the other one %q", got, err, moved.String())
	}
}

// An error stands once in a log that standard error goes to as well.
func TestErrorStandsOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &Program{Stdout: io.Discard, Stderr: stdstream.Stream{File: f}}
	root := p.Root()
	root.Action = func(context.Context, *cli.Command) error { return errors.New("burnt") }
	if code := p.Run(root, []string{"runcell", "--log", path}); code != ExitFailure {
		t.Errorf("exit status %d", code)
	}
	if b, err := os.ReadFile(path); err != nil || strings.Count(string(b), "burnt") != 1 {
		t.Errorf("%q, %v; want the error once", b, err)
	}
}
