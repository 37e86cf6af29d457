package runtime

// exec.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// execFacts runs `exec FLAGS ID probe facts` in a new container.
func execFacts(t *t, flags ...string) *fact.Facts {
	c := t.Running(h.Idle, h.Env("FROM_CONFIG=1"))
	r := t.OK(append(append([]string{"exec"}, flags...), c.ID, h.ProbePath, "facts")...)
	return t.Line(h.ParseLines(r.Stdout), "facts").Facts
}

// processFile writes a process for exec --process.
func processFile(t *t, c *h.Container, change func(*specs.Process)) string {
	p := *c.Bundle.Spec.Process
	p.Args = []string{h.ProbePath, "facts"}
	change(&p)
	b, err := json.Marshal(&p)
	t.Must("encode process", err)
	return t.WriteFile(string(b), "process.json")
}

var execs = slices.Concat(execStatuses(), execFlags, []h.Case{
	{
		Name: "exec/signal-status", Clause: "runc command line: 128+n for a signal",
		Does: "exec exits with 128+n when a signal ends the process", Run: func(t *t) {
			c := t.Running(h.Idle)
			pidFile := t.Path("pid")
			p := t.Begin(call{Args: []string{"exec", "--pid-file", pidFile, c.ID, h.ProbePath, "sleep", "600s"}})
			t.Eventually(func() bool { return strings.Contains(p.Output(), "ready") }, "the process is not ready")
			t.Eventually(func() bool { return h.Exists(pidFile) }, "no pid-file")
			pid, err := strconv.Atoi(t.ReadFile(pidFile))
			t.Must("read pid", err)
			t.Must("kill", killPid(pid))
			if r := p.Wait(); r.Code != 128+9 {
				t.Errorf("want exit status 137: %s", r)
			}
		},
	},
	{
		Name: "exec/inside", Clause: "containerd, podman: exec",
		Does: "the process is in the container's root and among its processes", OS: linux,
		Else: "it compares namespaces, which NetBSD lacks; exec/among-members has what holds there", Run: func(t *t) {
			c := t.Running(h.Idle)
			lines := h.ParseLines(t.OK("exec", c.ID, h.ProbePath, "facts", ";", "kill", "1", "SIGUSR1").Stdout)
			inside, f := c.Facts(), t.Line(lines, "facts").Facts
			for _, ns := range []string{"mnt", "pid", "ipc", "uts"} {
				if f.Namespaces[ns] != inside.Namespaces[ns] {
					t.Errorf("%s namespace is %s, the container's %s", ns, f.Namespaces[ns], inside.Namespaces[ns])
				}
			}
			c.WaitLine("signal")
		},
	},
	{
		Name: "exec/unknown-id", Clause: "containerd, podman: exec",
		Does: "exec in a container that does not exist is an error", Run: func(t *t) { t.Refused("exec", t.ID(), h.ProbePath, "facts") },
	},
	{
		Name: "exec/stopped", Clause: "containerd, podman: exec",
		Does: "exec in a stopped container fails with 255 or 1", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			if r := t.Refused("exec", c.ID, h.ProbePath, "facts"); r.Code != 255 && r.Code != 1 {
				t.Errorf("want 255 or 1: %s", r)
			}
		},
	},
	{
		Name: "exec/no-command", Clause: "runc command line: exec",
		Does: "exec without a command is an error", Run: func(t *t) { t.Refused("exec", t.Running(h.Idle).ID) },
	},
	{
		Name: "exec/not-found", Clause: "podman: exit status 127",
		Does: "a missing program fails with 255 or 1 and says so; the container goes on", Run: func(t *t) {
			c := t.Running(h.Idle)
			r := t.Refused("exec", c.ID, "/no/such/program")
			checkText(t, r, notFound...)
			if r.Code != 255 && r.Code != 1 && r.Code != 127 {
				t.Errorf("want 255, 1 or 127: %s", r)
			}
			if s := c.State().Status; s != "running" {
				t.Errorf("status is %s", s)
			}
		},
	},
	{
		Name: "exec/not-executable", Clause: "podman: exit status 126",
		Does: "a file that may not be executed fails and says so", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Must("write file", os.WriteFile(c.Bundle.RootFS("etc", "file"), []byte("text"), 0o644))
			checkText(t, t.Refused("exec", c.ID, "/etc/file"), notExecutable...)
		},
	},
	{
		Name: "exec/process", Clause: "containerd, podman: exec --process",
		Does: "--process FILE gives args, env, cwd, user, umask", Run: func(t *t) {
			c := t.Running(h.Idle)
			umask := uint32(0o027)
			file := processFile(t, c, func(p *specs.Process) {
				p.Env, p.Cwd = []string{"ONLY=this"}, "/tmp"
				p.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{7}, Umask: &umask}
			})
			f := t.Line(h.ParseLines(t.OK("exec", "--process", file, c.ID).Stdout), "facts").Facts
			if !slices.Contains(f.Env, "ONLY=this") || slices.Contains(f.Env, "PATH=/bin") || f.Cwd != "/tmp" {
				t.Errorf("env %q, cwd %s", f.Env, f.Cwd)
			}
			if f.UID != 1000 || f.GID != 1001 || !slices.Contains(f.Groups, 7) {
				t.Errorf("user %d:%d %v", f.UID, f.GID, f.Groups)
			}
			if f.Umask != 0o027 {
				t.Errorf("umask is %#o", f.Umask)
			}
		},
	},
	{
		Name: "exec/process-rlimits", Clause: "config.md POSIX process, rlimits",
		Does: "--process FILE gives resource limits", Run: func(t *t) {
			c := t.Running(h.Idle)
			file := processFile(t, c, func(p *specs.Process) {
				p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 111, Hard: 111}}
			})
			f := t.Line(h.ParseLines(t.OK("exec", "--process", file, c.ID).Stdout), "facts").Facts
			if got := f.Rlimits["RLIMIT_NOFILE"]; got.Hard != 111 {
				t.Errorf("RLIMIT_NOFILE is %+v", got)
			}
		},
	},
	{
		Name: "exec/process-malformed", Clause: "containerd, podman: exec --process",
		Does: "a malformed or missing process file is an error", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("exec", "--process", t.WriteFile("{", "broken.json"), c.ID)
			t.Refused("exec", "--process", t.Path("missing.json"), c.ID)
		},
	},
	{
		Name: "exec/detach", Clause: "containerd, podman: exec --detach --pid-file",
		Does: "exec --detach returns while the process runs, and has written its pid", Run: func(t *t) {
			c := t.Running(h.Idle)
			file := processFile(t, c, func(p *specs.Process) { p.Args = []string{h.ProbePath, "signals"} })
			pidFile := t.Path("pid")
			t.OK("exec", "--process", file, "--detach", "--pid-file", pidFile, c.ID)
			pid, err := strconv.Atoi(t.ReadFile(pidFile))
			if err != nil || !alive(pid) || pid == c.State().Pid {
				t.Errorf("pid-file: %d, %v", pid, err)
			}
			t.OK("delete", "--force", c.ID)
			t.Eventually(func() bool { return !alive(pid) }, "the process outlives its container")
		},
	},
	{
		Name: "exec/detach-status", Clause: "containerd, conmon: exit status", OS: linux, Else: "NetBSD has no subreaper: the process becomes init's child",
		Does: "the subreaper gets the status of a detached process", Run: func(t *t) {
			c := t.Running(h.Idle)
			file := processFile(t, c, func(p *specs.Process) { p.Args = []string{h.ProbePath, "exit", "23"} })
			pidFile := t.Path("pid")
			t.OK("exec", "--process", file, "--detach", "--pid-file", pidFile, c.ID)
			pid, err := strconv.Atoi(t.ReadFile(pidFile))
			t.Must("read pid", err)
			if code := t.ExitStatus(pid); code != 23 {
				t.Errorf("the subreaper got status %d", code)
			}
		},
	},
	{
		Name: "exec/console", Clause: "containerd: exec --console-socket",
		Does: "a detached process gets a terminal through the console socket", Run: func(t *t) {
			c, s := t.Running(h.Idle), t.Console("console.sock")
			file := processFile(t, c, func(p *specs.Process) { p.Terminal, p.Args = true, []string{h.ProbePath, "facts", ";", "signals"} })
			t.OK("exec", "--process", file, "--console-socket", s.Path, "--detach", "--pid-file", t.Path("pid"), c.ID)
			s.Master()
			s.WaitLine("facts")
			if tty := t.Line(s.Lines(), "facts").Facts.Terminal; !tty.Stdin || !tty.Stdout || !tty.Controlling {
				t.Errorf("terminal: %+v", tty)
			}
		},
	},
	{
		Name: "exec/tty-flag", Clause: "podman: exec --tty --console-socket",
		Does: "--tty gives a terminal", Run: func(t *t) {
			c, s := t.Running(h.Idle), t.Console("console.sock")
			t.OK("exec", "--tty", "--console-socket", s.Path, "--detach", c.ID, h.ProbePath, "facts", ";", "signals")
			s.Master()
			s.WaitLine("facts")
			if tty := t.Line(s.Lines(), "facts").Facts.Terminal; !tty.Stdin {
				t.Errorf("terminal: %+v", tty)
			}
		},
	},
	{
		Name: "exec/descriptors", Clause: "runtime-linux.md File descriptors; attack CVE-2016-9962",
		Does: "only 0, 1 and 2 are open, whatever the caller left open", Run: func(t *t) {
			c := t.Running(h.Idle)
			r := t.Do(call{Args: []string{"exec", c.ID, h.ProbePath, "facts"}, Extra: leftOpen(t, 2)})
			if fds := t.Line(h.ParseLines(r.Stdout), "facts").Facts.FDs; !slices.Equal(numbers(fds), []int{0, 1, 2}) {
				t.Errorf("descriptors are %v", fds)
			}
		},
	},
	{
		Name: "exec/preserve-fds", Clause: "podman: exec --preserve-fds",
		Does: "--preserve-fds 1 passes descriptor 3", Run: func(t *t) {
			c := t.Running(h.Idle)
			r := t.Do(call{Args: []string{"exec", "--preserve-fds", "1", c.ID, h.ProbePath, "readfd", "3"}, Extra: leftOpen(t, 1)})
			if got := t.Succeeds(h.ParseLines(r.Stdout), "readfd").Text; got != "left open 0" {
				t.Errorf("descriptor 3 reads %q", got)
			}
		},
	},
	{
		Name: "exec/streams", Clause: "CRI-O: attached exec",
		Does: "stdin, stdout and stderr are the caller's", Run: func(t *t) {
			c := t.Running(h.Idle)
			in, err := os.Open(t.WriteFile("typed", "input"))
			t.Must("open input", err)
			r := t.Do(call{Args: []string{"exec", c.ID, h.ProbePath, "stdin", ";", "say", "out", ";", "complain", "err"}, Stdin: in})
			if got := t.Succeeds(h.ParseLines(r.Stdout), "stdin").Text; got != "typed" || !strings.Contains(r.Stdout, "out\n") || r.Stderr != "err\n" {
				t.Errorf("streams: %s", r)
			}
		},
	},
	{
		Name: "exec/killed-with-container", Clause: "config-linux.md Namespaces, pid", OS: linux, Else: "the end of a cell's first process does not end the others; `delete` and `kill --all` do",
		Does: "when the container is killed, its exec ends too", Run: func(t *t) {
			c := t.Running(h.Idle)
			p := t.Begin(call{Args: []string{"exec", c.ID, h.ProbePath, "sleep", "600s"}})
			t.Eventually(func() bool { return strings.Contains(p.Output(), "ready") }, "the process is not ready")
			c.Stop()
			p.Ends("exec goes on after its container was killed")
		},
	},
})

func alive(pid int) bool { return h.Alive(pid) }

func execStatuses() []h.Case {
	var cases []h.Case
	for _, status := range []int{0, 7, 255} {
		cases = append(cases, h.Case{
			Name: fmt.Sprintf("exec/status-%d", status), Clause: "CRI-O: attached exec's exit status",
			Does: fmt.Sprintf("exec exits with %d when the process does", status), Run: func(t *t) {
				c := t.Running(h.Idle)
				if r := t.Try("exec", c.ID, h.ProbePath, "exit", fmt.Sprint(status)); r.Code != status {
					t.Errorf("want exit status %d: %s", status, r)
				}
			},
		})
	}
	return cases
}

// execFlags are the flags of a command line without a process file.
var execFlags = []h.Case{
	{
		Name: "exec/inherits", Clause: "runc command line: exec",
		Does: "without flags the process has the container's env, cwd and user", Run: func(t *t) {
			f := execFacts(t)
			if !slices.Contains(f.Env, "FROM_CONFIG=1") || f.Cwd != "/" || f.UID != 0 {
				t.Errorf("env %q, cwd %s, uid %d", f.Env, f.Cwd, f.UID)
			}
		},
	},
	{
		Name: "exec/user", Clause: "runc command line: exec --user",
		Does: "--user UID:GID sets both", Run: func(t *t) {
			if f := execFacts(t, "--user", "1000:1001"); f.UID != 1000 || f.EUID != 1000 || f.GID != 1001 {
				t.Errorf("user is %d:%d", f.UID, f.GID)
			}
		},
	},
	{
		Name: "exec/user-alone", Clause: "runc command line: exec --user; attack CVE-2026-30892",
		Does: "-u UID sets the uid and leaves the gid", Run: func(t *t) {
			if f := execFacts(t, "-u", "1000"); f.UID != 1000 || f.GID != 0 {
				t.Errorf("user is %d:%d", f.UID, f.GID)
			}
		},
	},
	{
		Name: "exec/user-malformed", Clause: "runc command line: exec --user; attack CVE-2026-30892",
		Does: "a malformed user is an error, not root", Run: func(t *t) {
			c := t.Running(h.Idle)
			for _, user := range []string{"x1000", "1000:y", "-1"} {
				t.Refused("exec", "--user", user, c.ID, h.ProbePath, "facts")
			}
		},
	},
	{
		Name: "exec/env", Clause: "runc command line: exec --env",
		Does: "--env adds variables to the container's", Run: func(t *t) {
			f := execFacts(t, "--env", "A=1", "--env", "B=two words")
			for _, want := range []string{"A=1", "B=two words", "FROM_CONFIG=1"} {
				if !slices.Contains(f.Env, want) {
					t.Errorf("%q is not in %q", want, f.Env)
				}
			}
		},
	},
	{
		Name: "exec/cwd", Clause: "runc command line: exec --cwd",
		Does: "--cwd sets the working directory", Run: func(t *t) {
			if f := execFacts(t, "--cwd", "/tmp"); f.Cwd != "/tmp" {
				t.Errorf("cwd is %s", f.Cwd)
			}
		},
	},
	{
		Name: "exec/cwd-missing", Clause: "config.md Process, cwd",
		Does: "a cwd that does not exist is an error, or is made", Run: func(t *t) {
			c := t.Running(h.Idle)
			r := t.Try("exec", "--cwd", "/not/there", c.ID, h.ProbePath, "facts")
			if line, ran := h.ParseLines(r.Stdout).Find("facts"); ran && line.Facts.Cwd != "/not/there" {
				t.Errorf("the program ran in %s", line.Facts.Cwd)
			}
		},
	},
	{
		Name: "exec/args-after-id", Clause: "runc command line: exec",
		Does: "flags after the id belong to the program", Run: func(t *t) {
			c := t.Running(h.Idle)
			r := t.OK("exec", c.ID, h.ProbePath, "facts", ";", "mark", "--user", ";", "mark", "-e")
			if lines := h.ParseLines(r.Stdout); len(lines) != 3 {
				t.Errorf("the program got %q", lines.Ops())
			}
		},
	},
	{
		Name: "exec/pid-file", Clause: "podman: exec --pid-file",
		Does: "the pid-file is digits without a newline", Run: func(t *t) {
			c, path := t.Running(h.Idle), t.Path("pids", "pid")
			t.OK("exec", "--pid-file", path, "--detach", c.ID, h.ProbePath, "signals")
			if pid, err := strconv.Atoi(t.ReadFile(path)); err != nil || pid < 2 {
				t.Errorf("pid-file: %d, %v", pid, err)
			}
			if names := entries(t, filepath.Dir(path)); len(names) != 1 {
				t.Errorf("beside the pid-file are %v", names)
			}
		},
	},
}

func killPid(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }
