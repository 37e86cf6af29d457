package inject

// The stories: a command with what goes before it, and how to see that what it
// said is true.

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// story is a command under test.
type story struct {
	name   string
	does   string // the command, for a reader
	idle   bool   // the container's program goes on until it is killed
	before func(*stage)
	args   func(*stage) []string
	// truth tells what holds after the command has said that it succeeded: the
	// same text each time.
	truth func(*stage, h.CmdResult) string
	// undone says that the command makes a container, of which nothing may be
	// left as soon as it says that it failed.
	undone bool
}

func create(s *stage) { _, _ = s.filtered("create", "--bundle", s.bundle.Dir, s.id) }

func running(s *stage) {
	s.plain("run", "--detach", "--bundle", s.bundle.Dir, s.id)
	s.wait("running")
}

func ended(s *stage) {
	s.plain("run", "--detach", "--bundle", s.bundle.Dir, s.id)
	s.wait("stopped")
}

// words makes the arguments of a command that ends with the container's id.
func words(words ...string) func(*stage) []string {
	return func(s *stage) []string { return append(append([]string{}, words...), s.id) }
}

// making makes the arguments of a command that makes the container.
func making(words ...string) func(*stage) []string {
	return func(s *stage) []string {
		return append(append([]string{}, words...), "--bundle", s.bundle.Dir, "--pid-file", s.pidFile, s.id)
	}
}

var stories = []story{
	{
		name: "create", does: "create", args: making("create"), undone: true,
		truth: func(s *stage, _ h.CmdResult) string {
			before := s.state()
			return before + s.pidFileRight() + s.try("start", s.id) + s.wait("stopped") + s.seen()
		},
	},
	{
		name: "run", does: "run in the foreground", args: making("run"), undone: true,
		truth: func(s *stage, r h.CmdResult) string { return s.state() + s.facts(r.Stdout) + s.hooks() },
	},
	{
		name: "run-detached", does: "run --detach", args: making("run", "--detach"), undone: true,
		truth: func(s *stage, _ h.CmdResult) string { return s.pidFileRight() + s.wait("stopped") + s.seen() },
	},
	{
		name: "start", does: "start", before: create, args: words("start"),
		truth: func(s *stage, _ h.CmdResult) string { return s.wait("stopped") + s.seen() },
	},
	{
		name: "exec", does: "exec", idle: true, before: running,
		args:  func(s *stage) []string { return []string{"exec", s.id, h.ProbePath, "facts"} },
		truth: func(s *stage, r h.CmdResult) string { return s.state() + s.facts(r.Stdout) },
	},
	{
		name: "kill", does: "kill with KILL", idle: true, before: running,
		args:  func(s *stage) []string { return []string{"kill", s.id, "KILL"} },
		truth: func(s *stage, _ h.CmdResult) string { return s.wait("stopped") },
	},
	{name: "delete", does: "delete", before: ended, args: words("delete"), truth: gone},
	{name: "delete-force", does: "delete --force of a running container", idle: true, before: running, args: words("delete", "--force"), truth: gone},
	{
		name: "state", does: "state", idle: true, before: running, args: words("state"),
		truth: func(_ *stage, r h.CmdResult) string { return steady(r.Stdout) },
	},
	{
		name: "list", does: "list", idle: true, before: running,
		args:  func(*stage) []string { return []string{"list", "--format", "json"} },
		truth: func(_ *stage, r h.CmdResult) string { return steady(r.Stdout) },
	},
}

// gone is the truth after a delete: nothing is left, without another command. What
// has ended is a child of the suite's, which has to get around to reaping it.
func gone(s *stage, _ h.CmdResult) string { return s.state() + strings.Join(s.settle(), "\n") }

// config is what the container asks for: something of each kind that a runtime
// sets up.
func (s *stage) config(spec *specs.Spec) {
	spec.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{1001}}
	spec.Process.NoNewPrivileges = true
	spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 1, Hard: 2}}
	spec.Process.Cwd = "/tmp"
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m", "mode=1777"}},
		specs.Mount{Destination: "/log", Type: "bind", Source: s.t.MkdirAll("log"), Options: []string{"bind", "nosuid"}})
	spec.Linux.MaskedPaths = []string{"/proc/kcore", "/etc"}
	spec.Linux.ReadonlyPaths = []string{"/proc/sys"}
	hook := func(name string) []specs.Hook {
		return []specs.Hook{{Path: s.t.HostProbe(), Args: []string{"probe", "to", s.hookLog, ";", "say", name}}}
	}
	spec.Hooks = &specs.Hooks{CreateRuntime: hook("createRuntime"), Poststart: hook("poststart")}
	spec.Process.Args = append([]string{h.ProbePath}, look...)
	if s.story.idle {
		spec.Process.Args = append(spec.Process.Args, ";", "signals")
	}
}

// look is what the container's program finds out.
var look = []string{
	"facts", ";", "ls", "/dev", ";", "ls", "/etc", ";", "read", "/proc/kcore", ";", "open", "/dev/null", "rw", ";",
	"write", "/proc/sys/kernel/domainname", "x", ";", "write", "/tmp/file", "x", ";", "write", "/log/file", "x",
}

// seen is what the container's program and the hooks saw.
func (s *stage) seen() string { return s.facts(s.output()) + s.hooks() }

// facts makes a text of what a program printed, without what differs each time.
func (s *stage) facts(output string) string {
	var all strings.Builder
	for _, line := range h.ParseLines(output) {
		if f := line.Facts; f != nil {
			f.Namespaces, f.FDs = nil, slices.Clone(f.FDs)
			f.Pid, f.Ppid, f.Sid = 0, 0, 0
			for i := range f.FDs {
				if strings.HasPrefix(f.FDs[i].Target, s.t.Dir) {
					f.FDs[i].Target = "file" // of the command's output
				}
			}
		}
		b, err := json.MarshalIndent(line, "", " ")
		if err != nil {
			return err.Error()
		}
		all.Write(append(b, '\n'))
	}
	return all.String()
}

// numbers is what differs in a state: the pid and the time.
var numbers = regexp.MustCompile(`"(pid|created|runcell\.[a-z.]+)": *("[^"]*"|\d+)`)

func steady(state string) string { return numbers.ReplaceAllString(state, `"$1": …`) }

// state is what the command state says of the container. A process may end
// between its answer and our look: what is not so a moment later was no lie.
func (s *stage) state() (said string) {
	for range 20 {
		if said = s.ask(); !strings.Contains(said, "alive") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return said
}

// ask is the command state, compared with the process that it names.
func (s *stage) ask() string {
	r := s.t.Try("state", s.id)
	if r.Code != 0 {
		return "state fails\n"
	}
	var st h.State
	if err := json.Unmarshal([]byte(r.Stdout), &st); err != nil {
		return err.Error()
	}
	if alive := h.Alive(st.Pid); alive != (st.Status != "stopped") {
		return fmt.Sprintf("state %s, but process %d alive: %v\n", st.Status, st.Pid, alive)
	}
	return st.Status + "\n"
}

// wait waits until the container has a status.
func (s *stage) wait(status string) string {
	got := ""
	for deadline := time.Now().Add(s.t.Limit(hang)); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if got = s.state(); got == status+"\n" {
			if status == "running" { // also its program
				if _, ok := h.ParseLines(s.output()).Find("ready"); !ok {
					continue
				}
			}
			return got
		}
		if got == "state fails\n" {
			break
		}
	}
	return "in the end: " + got
}
