package runtime_test

// State directories that hold what no runcell has put there.

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// odd makes a file of the state directory a FIFO, which would keep a reader
// waiting, and so would a writer be.
func (b *box) odd(elem ...string) {
	b.t.Helper()
	path := filepath.Join(append([]string{b.root}, elem...)...)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if rerr := os.Remove(path); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	if err = errors.Join(err, unix.Mkfifo(path, 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

// quick runs a command that must end by itself: run ends what hangs.
func (b *box) quick(args ...string) result {
	b.t.Helper()
	r := b.run(args...)
	if r.status < 0 {
		b.t.Errorf("runcell %s did not end: %+v", strings.Join(args, " "), r)
	}
	return r
}

// A FIFO in place of any file of a container hangs no command, neither about
// that container nor about another, and delete --force removes it.
func TestFifosInStateDirectory(t *testing.T) {
	for _, file := range []string{"state.json", "plan.json", "creating.json", "state.json.new", "init.error", "init.steps", "exit.status"} {
		b := newBox(t)
		b.ok("run", "--detach", "good")
		b.ok("create", "bad")
		b.odd("bad", file)
		for _, args := range [][]string{
			{"state", "bad"},
			{"start", "bad"},
			{"pause", "bad"},
			{"resume", "bad"},
			{"exec", "bad", "/probe", "exit", "0"},
			{"kill", "bad", "TERM"},
			{"ps", "bad"},
			{"wait", "bad"},
			{"events", "--stats", "bad"},
			{"list"},
			{"recover"},
			{"delete", "bad"},
		} {
			if args[0] == "wait" {
				b.quick("kill", "bad", "KILL")
			}
			b.quick(args...)
		}
		if r := b.quick("list", "--quiet"); !strings.Contains(r.stdout, "good\n") {
			t.Errorf("%s: the other container is not listed: %+v", file, r)
		}
		b.ok("exec", "good", "/probe", "exit", "0")
		b.ok("delete", "--force", "bad")
		b.ok("delete", "--force", "good")
	}
}

// So with the table of all cells, and with a cell's file that can't be read.
func TestOddCells(t *testing.T) {
	b := newBox(t)
	b.odd("@cells", "cells")
	if r := b.quick("run", "none"); r.status == 0 || !strings.Contains(r.stderr, "not a regular file") {
		t.Errorf("run = %+v; want an error that says what the file is", r)
	}
	if err := os.Remove(filepath.Join(b.root, "@cells", "cells")); err != nil {
		t.Fatal(err)
	}
	b.ok("create", "bad")
	b.ok("run", "--detach", "good")
	files, err := filepath.Glob(filepath.Join(b.root, "@cells", "*", "name", "bad.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the files of the cell are %q, %v; want one", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"an unknown field": func() error {
			return os.WriteFile(files[0], []byte(strings.ReplaceAll(string(text), "created=", "borrowed=")), 0o600)
		},
		"a FIFO": func() error { return errors.Join(os.Remove(files[0]), unix.Mkfifo(files[0], 0o600)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if r := b.quick("exec", "bad", "/probe", "exit", "0"); r.status == 0 {
			t.Errorf("%s: exec in a cell that can't be read = %+v; want an error", name, r)
		}
		// All are listed, and an error besides says what can't be read.
		if r := b.quick("list"); !strings.Contains(r.stdout, "\ngood ") || !strings.Contains(r.stdout, "\nbad ") || r.status != 0 && !strings.Contains(r.stderr, "cell 1") {
			t.Errorf("%s: list = %+v; want both", name, r)
		}
		b.ok("recover")
		b.ok("exec", "good", "/probe", "exit", "0")
		args := b.spec.Process.Args
		b.spec.Process.Args = []string{"/probe", "exit", "0"}
		b.ok("run", "another")
		b.spec.Process.Args = args
		if err := errors.Join(os.Remove(files[0]), os.WriteFile(files[0], text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	b.ok("delete", "--force", "good")
	b.ok("delete", "--force", "bad")
}

// A pid file that is no file is written to, or is an error, and stays.
func TestPidFileThatIsNoFile(t *testing.T) {
	b := newBox(t)
	node, fifo, link := filepath.Join(b.root, "..", "null"), filepath.Join(b.root, "..", "fifo"), filepath.Join(b.root, "..", "link")
	err := errors.Join(unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), unix.Mkfifo(fifo, 0o600), os.Symlink(node, link))
	if err != nil {
		t.Fatal(err)
	}
	b.spec.Process.Args = []string{"/probe", "exit", "0"}
	b.ok("run", "--pid-file", node, "one")
	b.ok("run", "--pid-file", link, "two")
	if r := b.quick("run", "--pid-file", fifo, "three"); r.status == 0 || !strings.Contains(r.stderr, "--pid-file") {
		t.Errorf("a FIFO that nobody reads = %+v; want an error", r)
	}
	if r := b.quick("run", "--pid-file", b.bundle, "four"); r.status == 0 || !strings.Contains(r.stderr, "--pid-file") {
		t.Errorf("a directory = %+v; want an error", r)
	}
	for path, want := range map[string]os.FileMode{node: os.ModeDevice | os.ModeCharDevice, fifo: os.ModeNamedPipe, link: os.ModeSymlink} {
		if fi, err := os.Lstat(path); err != nil || fi.Mode().Type() != want {
			t.Errorf("%s is %v, %v", path, fi, err)
		}
	}
}
