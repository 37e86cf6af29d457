package runtime

// What a program finds that its user makes: HOME, a directory to start in,
// streams that it can open, one value of a variable.

import (
	"io"
	"os"
	"slices"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const homeClause = "runc, crun, ctr, Kubernetes: HOME from the container's /etc/passwd"

// users is an /etc/passwd.
const users = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:a user:/home/user:/bin/sh\nuser2:x:1000:1:twice:/second:/bin/sh\n"

// withUsers makes a bundle with that list of users.
func withUsers(t *t, mods ...mod) *h.Bundle {
	b := t.Bundle(mods...)
	t.Must("write users", os.WriteFile(b.RootFS("etc", "passwd"), []byte(users), 0o644))
	return b
}

// homes are the values of HOME in an environment.
func homes(env []string) []string {
	var list []string
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "HOME="); ok {
			list = append(list, v)
		}
	}
	return list
}

// wantHome runs a bundle's program and compares its HOME.
func wantHome(t *t, b *h.Bundle, want ...string) {
	if got := homes(t.Line(t.ProbeBundle(b), "facts").Facts.Env); !slices.Equal(got, want) {
		t.Errorf("HOME is %q, want %q", got, want)
	}
}

var identity = slices.Concat(homeCases, userStreams, []h.Case{
	{
		Name: "process/env-twice", Clause: "runc, crun: a variable given twice",
		Does: "of a variable that is given twice the last value counts, and the program gets it once", Run: func(t *t) {
			f := t.Facts(h.Env("A=1", "B=1", "A=2", "A=3"))
			var got []string
			for _, e := range f.Env {
				if strings.HasPrefix(e, "A=") || strings.HasPrefix(e, "B=") {
					got = append(got, e)
				}
			}
			if slices.Sort(got); !slices.Equal(got, []string{"A=3", "B=1"}) {
				t.Errorf("the variables are %q", got)
			}
		},
	},
	{
		Name: "process/cwd-of-root", Clause: "config.md Process, cwd; an image with a USER and WORKDIR /root",
		Does: "a directory that only root may enter can be another user's cwd", Run: func(t *t) {
			b := t.Bundle(h.Cwd("/private/in"), h.User(1000, 1000))
			t.Must("make directory", os.MkdirAll(b.RootFS("private", "in"), 0o755))
			t.Must("close directory", os.Chmod(b.RootFS("private"), 0o700))
			r := t.OK("run", "--bundle", b.Dir, t.ID())
			t.Line(h.ParseLines(r.Stdout), "facts")
			c := t.CreateFrom(t.Bundle(h.Idle))
			c.Start()
			t.Must("make directory", os.MkdirAll(c.Bundle.RootFS("private"), 0o700))
			t.OK("exec", "--cwd", "/private", "--user", "1000:1000", c.ID, h.ProbePath, "mark", "ran")
		},
	},
	{
		Name: "process/cwd-of-nobody", Clause: "config.md Process, cwd",
		Does: "a cwd that is no directory is an error: the program runs nowhere else", Run: func(t *t) {
			b := t.Bundle(h.Cwd("/etc/file"), h.User(1000, 1000))
			t.Must("write file", os.WriteFile(b.RootFS("etc", "file"), nil, 0o755))
			cantExecute(t, b)
		},
	},
	{
		Name: "process/relative-through-link", Clause: "config.md Process, args; POSIX pathname resolution",
		Does: "\"..\" in a relative program is the directory above the cwd itself, not above the link that led there", Run: func(t *t) {
			b := t.Bundle(h.Cwd("/link"), h.Args("../program", "mark", "ran"))
			t.Must("make directory", os.MkdirAll(b.RootFS("real", "cwd"), 0o755))
			t.Must("make link", os.Symlink("/real/cwd", b.RootFS("link")))
			t.Must("link program", os.Link(b.RootFS(h.ProbePath), b.RootFS("real", "program")))
			t.Succeeds(t.ProbeBundle(b), "mark", "ran")
		},
	},
	{
		Name: "exec/process-from-pipe", Clause: "runc, crun: exec --process",
		Does: "--process may be a pipe, which can be read once", Run: func(t *t) {
			c := t.Running(h.Idle)
			process := t.ReadFile(processFile(t, c, func(p *specs.Process) { p.Env = append(p.Env, "FROM_PIPE=1") }))
			r, w, err := os.Pipe()
			t.Must("make pipe", err)
			_, err = io.WriteString(w, process)
			t.Must("write process", err)
			_ = w.Close()
			defer func() { _ = r.Close() }()
			got := t.Do(call{Args: []string{"exec", "--process", "/dev/stdin", c.ID}, Stdin: r})
			if f := t.Line(h.ParseLines(got.Stdout), "facts").Facts; !slices.Contains(f.Env, "FROM_PIPE=1") {
				t.Errorf("the environment is %q", f.Env)
			}
		},
	},
})

var homeCases = []h.Case{
	{
		Name: "process/home", Clause: homeClause,
		Does: "HOME is what the container's list of users says", Run: func(t *t) {
			wantHome(t, withUsers(t), "/root")
			wantHome(t, withUsers(t, h.User(1000, 1000)), "/home/user")
		},
	},
	{
		Name: "process/home-from-config", Clause: homeClause,
		Does: "a HOME in process.env stays", Run: func(t *t) { wantHome(t, withUsers(t, h.Env("HOME=/mine")), "/mine") },
	},
	{
		Name: "process/home-empty", Clause: "runc: an empty HOME is none",
		Does: "an empty HOME in process.env is replaced", Run: func(t *t) { wantHome(t, withUsers(t, h.Env("HOME=")), "/root") },
	},
	{
		Name: "process/home-unknown", Clause: homeClause,
		Does: "HOME of a user that the container does not know is /", Run: func(t *t) { wantHome(t, withUsers(t, h.User(4711, 4711)), "/") },
	},
	{
		Name: "process/home-no-users", Clause: homeClause,
		Does: "without a list of users HOME is /", Run: func(t *t) { wantHome(t, t.Bundle(), "/") },
	},
	{
		Name: "process/home-mounted", Clause: homeClause + "; config.md Mounts",
		Does: "a list of users that is mounted counts", Run: func(t *t) {
			t.WriteFile(users, "etc", "passwd")
			wantHome(t, t.Bundle(h.Bind(t.Path("etc"), "/etc")), "/root")
		},
	},
	{
		Name: "process/home-link", Clause: "attack: an image decides what /etc/passwd is",
		Does: "a list of users that is a link leads to no file of the host", Run: func(t *t) {
			b := t.Bundle()
			t.Must("make link", os.Symlink(t.WriteFile("root:x:0:0::/outside:\n", "outside"), b.RootFS("etc", "passwd")))
			wantHome(t, b, "/")
		},
	},
	{
		Name: "exec/home", Clause: homeClause,
		Does: "exec has HOME of its own user", Run: func(t *t) {
			c := t.CreateFrom(withUsers(t, h.Idle))
			c.Start()
			for user, want := range map[string]string{"0": "/root", "1000": "/home/user", "4711": "/"} {
				r := t.OK("exec", "--user", user, c.ID, h.ProbePath, "facts")
				if got := homes(t.Line(h.ParseLines(r.Stdout), "facts").Facts.Env); !slices.Equal(got, []string{want}) {
					t.Errorf("HOME of %s is %q, want %q", user, got, want)
				}
			}
		},
	},
}

// through runs the probe with a pipe as stdout, and gives what came of it.
func through(t *t, args ...string) string {
	r, w, err := os.Pipe()
	t.Must("make pipe", err)
	result := t.Do(call{Args: args, Stdout: w})
	_ = w.Close()
	defer func() { _ = r.Close() }()
	got, err := io.ReadAll(r)
	t.Must("read pipe", err)
	if result.Code != 0 {
		t.Errorf("want success: %s", result)
	}
	return string(got)
}

// withProc adds the proc mount to which /dev/stdout leads, where there is none.
func withProc(s *specs.Spec) {
	if !slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/proc" }) {
		h.Mount("/proc", "proc", "proc")(s)
	}
}

var userStreams = []h.Case{
	{
		Name: "process/stdout-opened", Clause: "runc, crun: an image that logs to /dev/stdout as a user",
		Does: "a user opens /dev/stdout and /dev/stderr where they are files", Run: func(t *t) {
			lines := t.Probe(h.User(1000, 1000), withProc, h.Do("open", "/dev/stdout", "w", ";", "open", "/dev/stderr", "w"))
			t.Succeeds(lines, "open", "/dev/stdout")
			t.Succeeds(lines, "open", "/dev/stderr")
			c := t.Running(h.Idle, withProc)
			t.Succeeds(h.ParseLines(t.OK("exec", "--user", "1000", c.ID, h.ProbePath, "open", "/dev/stdout", "w").Stdout), "open", "/dev/stdout")
		},
	},
	{
		Name: "process/stdout-pipe", Clause: "runc, crun: an image that logs to /dev/stdout as a user", OS: linux, Else: "NetBSD's procfs opens files anew, and no pipes",
		Does: "a user opens /dev/stdout where it is a pipe", Run: func(t *t) {
			b := t.Bundle(h.User(1000, 1000), h.Do("open", "/dev/stdout", "w"))
			t.Succeeds(h.ParseLines(through(t, "run", "--bundle", b.Dir, t.ID())), "open", "/dev/stdout")
			c := t.Running(h.Idle)
			lines := h.ParseLines(through(t, "exec", "--user", "1000", c.ID, h.ProbePath, "open", "/dev/stdout", "w"))
			t.Succeeds(lines, "open", "/dev/stdout")
		},
	},
	{
		Name: "process/null-not-given", Clause: "attack: the host's devices belong to nobody else",
		Does: "a null device among the streams does not become the user's", Run: func(t *t) {
			node := t.Path("null")
			number := hostDevice(t, "/dev/null")
			t.Must("make node", unix.Mknod(node, unix.S_IFCHR|0o666, int(number)))
			null, err := os.OpenFile(node, os.O_RDWR, 0)
			t.Must("open node", err)
			defer func() { _ = null.Close() }()
			b := t.Bundle(h.User(1000, 1000))
			t.Do(call{Args: []string{"run", "--bundle", b.Dir, t.ID()}, Stdin: null, Stdout: null, Stderr: null})
			c := t.Running(h.Idle)
			t.Do(call{Args: []string{"exec", "--user", "1000", c.ID, h.ProbePath, "facts"}, Stdin: null, Stdout: null, Stderr: null})
			var st unix.Stat_t
			t.Must("look at node", unix.Stat(node, &st))
			if st.Uid != 0 {
				t.Errorf("the node is uid %d's", st.Uid)
			}
		},
	},
	{
		Name: "process/input-not-given", Clause: "attack: a file open for reading only",
		Does: "a file that is the standard input does not become the user's, who could write to it then", Run: func(t *t) {
			path := t.WriteFile("of the caller", "input")
			in, err := os.Open(path)
			t.Must("open input", err)
			defer func() { _ = in.Close() }()
			b := t.Bundle(h.User(1000, 1000), h.Do("stdin"))
			t.Do(call{Args: []string{"run", "--bundle", b.Dir, t.ID()}, Stdin: in})
			var st unix.Stat_t
			t.Must("look at input", unix.Stat(path, &st))
			if st.Uid != 0 {
				t.Errorf("the file is uid %d's", st.Uid)
			}
		},
	},
}
