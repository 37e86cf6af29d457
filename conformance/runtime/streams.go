package runtime

// The process's descriptors, and what happens when it can't be executed.

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

var processStreams = []h.Case{
	{
		Name: "process/streams", Clause: "podman: the process inherits stdin, stdout and stderr",
		Does: "the program has the caller's three streams", Run: func(t *t) {
			in, err := os.Open(t.WriteFile("from the caller", "input"))
			t.Must("open input", err)
			c := t.CreateWith(call{Stdin: in}, t.Bundle(h.Do("stdin", ";", "say", "out", ";", "complain", "err")))
			c.Start()
			if got := t.Line(c.Wait(), "stdin").Text; got != "from the caller" {
				t.Errorf("stdin is %q", got)
			}
			if !strings.Contains(c.Output(), "out\n") || c.Stderr() != "err\n" {
				t.Errorf("stdout %q, stderr %q", c.Output(), c.Stderr())
			}
		},
	},
	{
		Name: "process/descriptors", Clause: "runtime-linux.md File descriptors",
		Does: "only 0, 1 and 2 are open in the program", Run: func(t *t) {
			c := t.Running(h.Idle)
			if fds := c.Facts().FDs; !slices.Equal(numbers(fds), []int{0, 1, 2}) {
				t.Errorf("descriptors are %v", fds)
			}
		},
	},
	{
		Name: "process/descriptors-of-caller", Clause: "runtime-linux.md File descriptors",
		Does: "descriptors that the caller left open do not reach the program", Run: func(t *t) {
			b := t.Bundle()
			r := t.Do(call{Args: []string{"run", "--bundle", b.Dir, t.ID()}, Extra: leftOpen(t, 3)})
			if fds := t.Line(h.ParseLines(r.Stdout), "facts").Facts.FDs; !slices.Equal(numbers(fds), []int{0, 1, 2}) {
				t.Errorf("descriptors are %v", fds)
			}
		},
	},
	{
		Name: "process/descriptors-let-go", Clause: "runc: create; (flock 9; create) 9>lock",
		Does: "a created container holds none of the caller's other descriptors", Run: func(t *t) {
			r, w, err := os.Pipe()
			t.Must("make pipe", err)
			defer func() { _ = r.Close() }()
			t.CreateWith(call{Extra: []*os.File{w}}, t.Bundle(h.Idle))
			_ = w.Close()
			t.Must("set deadline", r.SetReadDeadline(time.Now().Add(t.Limit(2*time.Second))))
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the pipe's other end is open: %v", err)
			}
		},
	},
	{
		Name: "process/preserve-fds", Clause: "podman: --preserve-fds",
		Does: "--preserve-fds 1 passes descriptor 3, and not 4", Run: func(t *t) {
			b := t.Bundle(h.Do("facts", ";", "readfd", "3"))
			r := t.Do(call{Args: []string{"run", "--bundle", b.Dir, "--preserve-fds", "1", t.ID()}, Extra: leftOpen(t, 2)})
			lines := h.ParseLines(r.Stdout)
			if fds := t.Line(lines, "facts").Facts.FDs; !slices.Equal(numbers(fds), []int{0, 1, 2, 3}) {
				t.Errorf("descriptors are %v", fds)
			}
			if got := t.Succeeds(lines, "readfd", "3").Text; got != "left open 0" {
				t.Errorf("descriptor 3 reads %q", got)
			}
		},
	},
	{
		Name: "process/preserve-fds-missing", Clause: "attack: descriptors of the runtime",
		Does: "--preserve-fds 2 with one descriptor open is an error, and passes none of the runtime's", Run: func(t *t) {
			b := t.Bundle(h.Do("facts"))
			r := t.Do(call{Args: []string{"run", "--bundle", b.Dir, "--preserve-fds", "2", t.ID()}, Extra: leftOpen(t, 1)})
			t.CheckRefused(r)
		},
	},
	{
		Name: "process/listen-fds", Clause: "sd_listen_fds(3); runc, crun", OS: linux,
		Else: "a program there has a pid that nobody knows before it runs, so LISTEN_FDS is refused",
		Does: "sockets that a service manager has opened reach the program, which is told of them", Run: func(t *t) {
			b := t.Bundle(h.Do("facts", ";", "readfd", "3", ";", "readfd", "4"))
			r := t.Do(call{
				Path:  "/bin/sh",
				Args:  []string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", t.Target.Path, "--root", t.Root, "run", "--bundle", b.Dir, "--preserve-fds", "1", t.ID()},
				Env:   append(t.Env(), "LISTEN_FDS=1"),
				Extra: leftOpen(t, 3),
			})
			lines := h.ParseLines(r.Stdout)
			f := t.Line(lines, "facts").Facts
			if !slices.Equal(numbers(f.FDs), []int{0, 1, 2, 3, 4}) || !slices.Contains(f.Env, "LISTEN_FDS=1") || !slices.Contains(f.Env, "LISTEN_PID=1") {
				t.Errorf("descriptors are %v, the environment is %q", f.FDs, f.Env)
			}
			for i, fd := range []string{"3", "4"} {
				if got := t.Succeeds(lines, "readfd", fd).Text; got != "left open "+string(rune('0'+i)) {
					t.Errorf("descriptor %s reads %q", fd, got)
				}
			}
		},
	},
	{
		Name: "process/listen-fds-of-another", Clause: "sd_listen_fds(3)",
		Does: "sockets for another process than the runtime are nobody's", Run: func(t *t) {
			b := t.Bundle(h.Do("facts"))
			r := t.Do(call{Args: []string{"run", "--bundle", b.Dir, t.ID()}, Env: append(t.Env(), "LISTEN_FDS=1", "LISTEN_PID=1"), Extra: leftOpen(t, 1)})
			f := t.Line(h.ParseLines(r.Stdout), "facts").Facts
			if !slices.Equal(numbers(f.FDs), []int{0, 1, 2}) {
				t.Errorf("descriptors are %v", f.FDs)
			}
		},
	},
	{
		Name: "process/preserve-fds-create", Clause: "podman: create --preserve-fds",
		Does: "descriptors are kept from create to start", Run: func(t *t) {
			c := t.CreateWith(call{Extra: leftOpen(t, 2)}, t.Bundle(h.Do("readfd", "4")), "--preserve-fds", "2")
			c.Start()
			if got := t.Succeeds(c.Wait(), "readfd", "4").Text; got != "left open 1" {
				t.Errorf("descriptor 4 reads %q", got)
			}
		},
	},
}

// leftOpen opens files that a careless caller did not close.
func leftOpen(t *t, n int) []*os.File {
	var files []*os.File
	for i := range n {
		name := "left open " + string(rune('0'+i))
		f, err := os.Open(t.WriteFile(name, name))
		t.Must("open file", err)
		t.Cleanup(func() { _ = f.Close() })
		files = append(files, f)
	}
	return files
}

// notFound are the texts by which podman tells exit status 127.
var notFound = []string{"executable file not found in", "no such file or directory"}

// notExecutable are those for 126.
var notExecutable = []string{"permission denied", "operation not permitted"}

var processErrors = []h.Case{
	{
		Name: "process/not-found", Clause: "podman: exit status 127",
		Does: "a missing program is an error of create or start, in words that podman knows", Run: func(t *t) {
			checkText(t, cantExecute(t, t.Bundle(h.Args("/no/such/program"))), notFound...)
		},
	},
	{
		Name: "process/not-found-in-path", Clause: "podman: exit status 127",
		Does: "so is one that is not in PATH", Run: func(t *t) {
			checkText(t, cantExecute(t, t.Bundle(h.Args("nosuchprogram"))), notFound...)
		},
	},
	{
		Name: "process/not-executable", Clause: "podman: exit status 126",
		Does: "a program that may not be executed is an error of create or start, in words that podman knows", Run: func(t *t) {
			b := t.Bundle(h.Args("/etc/file"))
			t.Must("write file", os.WriteFile(b.RootFS("etc", "file"), []byte("text"), 0o644))
			checkText(t, cantExecute(t, b), notExecutable...)
		},
	},
	{
		Name: "process/directory", Clause: "podman: exit status 126",
		Does: "a directory as the program is an error of create or start", Run: func(t *t) {
			cantExecute(t, t.Bundle(h.Args("/etc")))
		},
	},
	{
		Name: "process/not-a-program", Clause: "runtime.md Start",
		Does: "an executable file in no known format is an error of create or start", Run: func(t *t) {
			b := t.Bundle(h.Args("/etc/file"))
			t.Must("write file", os.WriteFile(b.RootFS("etc", "file"), []byte{0x7f, 'N', 'O', 'T'}, 0o755))
			cantExecute(t, b)
		},
	},
}

// cantExecute checks that create or start fails.
func cantExecute(t *t, b *h.Bundle) h.CmdResult {
	id := t.ID()
	r := t.Try("create", "--bundle", b.Dir, id)
	if r.Code == 0 {
		r = t.Try("start", id)
	}
	t.CheckRefused(r)
	return r
}
