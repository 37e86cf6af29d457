package inject

// A stage is where a story is played again and again: one bundle, one id.

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

// hang is how long a command may take on an idle machine.
const hang = 10 * time.Second

type stage struct {
	t       *h.T
	story   story
	bundle  *h.Bundle
	id      string
	self    string // this program
	counter *counter
	out     string // the file with what the container's program printed
	pidFile string
	hookLog string
	empty   []string // what the runtime keeps without a container
}

func newStage(t *h.T, st story) *stage {
	s := &stage{t: t, story: st, id: t.ID(), hookLog: t.Path("hooks"), pidFile: t.Path("pid")}
	t.MkdirAll("log")
	t.Must("give directory", os.Chmod(t.Path("log"), 0o777))
	s.bundle = t.Bundle(s.config)
	var err error
	s.self, err = os.Executable()
	t.Must("find own program", err)
	s.counter = &counter{}
	for _, path := range []string{s.self, t.HostProbe()} {
		program, err := identify(path)
		t.Must("find program", err)
		s.counter.ours = append(s.counter.ours, program)
	}
	return s
}

// filtered runs a command of the runtime under the filter.
func (s *stage) filtered(args ...string) (r h.CmdResult, hung bool) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	s.t.Must("make socket", err)
	theirs := os.NewFile(uintptr(ends[1]), "socket")
	out, err := os.CreateTemp(s.t.MkdirAll("output"), "stdout.*")
	s.t.Must("make output file", err)
	if s.out == "" {
		s.out = out.Name()
	}
	p := s.t.Begin(h.Cmd{
		Path: s.self, Args: append([]string{ExecArg, s.t.Target.Path, "--root", s.t.Root}, args...),
		Extra: []*os.File{theirs}, Stdout: out,
	})
	_, _ = theirs.Close(), out.Close()
	listener, err := receive(ends[0])
	_ = unix.Close(ends[0])
	s.t.Must("put a command under the filter", err)
	go s.counter.serve(listener)
	r, ended := p.WaitFor(s.t.Limit(hang))
	r.Stdout = read(out.Name())
	return r, !ended
}

// plain runs a command of the runtime as it is.
func (s *stage) plain(args ...string) {
	out, err := os.CreateTemp(s.t.MkdirAll("output"), "stdout.*")
	s.t.Must("make output file", err)
	s.out = out.Name()
	r := s.t.Do(h.Cmd{Args: args, Stdout: out})
	_ = out.Close()
	if r.Code != 0 {
		s.t.Fatalf("want success: %s", r)
	}
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// output is what the container's program printed so far.
func (s *stage) output() string { return read(s.out) }

// hooks is what the hooks said.
func (s *stage) hooks() string { return read(s.hookLog) }

// try runs a command that must succeed for the truth to be told.
func (s *stage) try(args ...string) string {
	if r := s.t.Try(args...); r.Code != 0 {
		return r.String() + "\n"
	}
	return ""
}

// pidFileRight says whether the pid file names the container's process.
func (s *stage) pidFileRight() string {
	pid, err := strconv.Atoi(strings.TrimSpace(read(s.pidFile)))
	if err != nil || pid <= 1 {
		return fmt.Sprintf("pid file: %d, %v\n", pid, err)
	}
	return "pid file\n"
}

// clear makes the stage ready for the next time: whatever became of the
// container, delete --force takes it away.
func (s *stage) clear() (problem string) {
	if r := s.t.Try("delete", "--force", s.id); r.Code != 0 {
		problem = fmt.Sprintf("delete --force fails: %s", r)
	}
	if left := s.settle(); len(left) > 0 {
		problem = strings.TrimSpace(problem + " left after delete --force: " + strings.Join(left, ", "))
		s.t.Sweep()
	}
	s.out = ""
	for _, path := range []string{s.pidFile, s.hookLog} {
		_ = os.Remove(path)
	}
	return problem
}

// settle lists what is left, once what is about to go has gone: a process that
// was killed, until somebody has waited for it.
func (s *stage) settle() []string {
	for deadline := time.Now().Add(s.t.Limit(2 * time.Second)); ; time.Sleep(2 * time.Millisecond) {
		if left := s.left(); len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// left lists what is there of the container.
func (s *stage) left() []string {
	left := s.t.Leftovers()
	if s.empty == nil {
		return left
	}
	for _, name := range s.kept() {
		if !slices.Contains(s.empty, name) {
			left = append(left, "kept: "+name)
		}
	}
	return left
}

// kept lists the files that the runtime has, each with its number of lines.
func (s *stage) kept() []string {
	var names []string
	for _, path := range h.Files(s.t.Root) {
		names = append(names, fmt.Sprintf("%s (%d lines)", strings.TrimPrefix(path, s.t.Root), strings.Count(read(path), "\n")))
	}
	return names
}
