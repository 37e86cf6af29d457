package runtime

// The process: program, arguments, environment, user, limits, streams.

import (
	"os"
	"slices"
	"strings"
	"syscall"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

var process = slices.Concat(processBasics, processUsers, processStreams, processErrors, denied())

var processBasics = []h.Case{
	{
		Name: "process/args", Clause: "config.md Process, args",
		Does: "the program gets exactly its args", Run: func(t *t) {
			args := []string{h.ProbePath, "facts", ";", "say", " two  words\t", ";", "say", "", ";", "say", "ünï $HOME \"'\\"}
			if f := t.Facts(h.Args(args...)); !slices.Equal(f.Args, args) {
				t.Errorf("args are %q", f.Args)
			}
		},
	},
	{
		Name: "process/env", Clause: "config.md Process, env",
		Does: "the program gets every variable of env, and none of the caller", Run: func(t *t) {
			f := t.Facts(h.Env("A=1", "EMPTY=", "SPACE=two words", "EQUALS=a=b"))
			for _, want := range []string{"PATH=/bin", "A=1", "EMPTY=", "SPACE=two words", "EQUALS=a=b"} {
				if !slices.Contains(f.Env, want) {
					t.Errorf("%q is not in %q", want, f.Env)
				}
			}
			for _, got := range f.Env {
				if strings.HasPrefix(got, "CONFORMANCE_CALLER") || strings.HasPrefix(got, "_") {
					t.Errorf("the program got %q, which is not in its env", got)
				}
			}
		},
	},
	{
		Name: "process/cwd", Clause: "config.md Process, cwd",
		Does: "the program starts in cwd", Run: func(t *t) {
			if f := t.Facts(h.Cwd("/tmp")); f.Cwd != "/tmp" {
				t.Errorf("cwd is %q", f.Cwd)
			}
		},
	},
	{
		Name: "process/cwd-missing", Clause: "config.md Process, cwd; runtime.md Create",
		Does: "a cwd that does not exist is made, or is an error; the program never runs elsewhere", Run: func(t *t) {
			b := t.Bundle(h.Cwd("/made/for/it"))
			r := t.Try("run", "--bundle", b.Dir, t.ID())
			lines := h.ParseLines(r.Stdout)
			if line, ran := lines.Find("facts"); ran && line.Facts.Cwd != "/made/for/it" {
				t.Errorf("the program ran in %q", line.Facts.Cwd)
			} else if !ran {
				t.CheckRefused(r)
			}
		},
	},
	{
		Name: "process/cwd-escape", Clause: "attack CVE-2024-21626; config.md Process, cwd",
		Does: "a cwd under /proc/self/fd never leads out of the root", Run: func(t *t) {
			outside := t.WriteFile("secret", "outside", "file")
			dir, err := os.Open(t.Path("outside"))
			t.Must("open directory", err)
			for _, cwd := range []string{"/proc/self/fd/7", "/proc/self/fd/8", "/proc/self/fd/9"} {
				b := t.Bundle(h.Cwd(cwd), h.Do("read", "./file", ";", "read", "../../../.."+outside, ";", "facts"))
				r := t.Do(call{Args: []string{"run", "--bundle", b.Dir, t.ID()}, Extra: []*os.File{dir, dir, dir, dir, dir, dir, dir}})
				if strings.Contains(r.Stdout, "secret") {
					t.Errorf("cwd %s leads out of the root: %s", cwd, r)
				}
			}
		},
	},
	{
		Name: "process/path-lookup", Clause: "config.md Process, args (execvp)",
		Does: "a program without a slash is found in the PATH of env", Run: func(t *t) {
			if f := t.Facts(h.Args("probe", "facts")); f.Args[0] != "probe" {
				t.Errorf("args are %q", f.Args)
			}
		},
	},
	{
		Name: "process/path-of-container", Clause: "config.md Process, args (execvp)",
		Does: "the caller's PATH is not searched", Run: func(t *t) {
			b := t.Bundle(h.Args("probe", "facts"))
			b.Spec.Process.Env = []string{"PATH=/nowhere"}
			b.Write()
			id := t.ID()
			if r := t.Do(call{Args: []string{"run", "--bundle", b.Dir, id}, Env: []string{"PATH=/bin"}}); r.Code == 0 {
				t.Errorf("want an error: %s", r)
			}
		},
	},
	{
		Name: "process/relative-program", Clause: "config.md Process, args and cwd",
		Does: "a program with a slash is relative to cwd", Run: func(t *t) {
			if f := t.Facts(h.Cwd("/bin"), h.Args("./probe", "facts")); f.Cwd != "/bin" {
				t.Errorf("cwd is %q", f.Cwd)
			}
		},
	},
	{
		Name: "process/rlimits", Clause: "config.md POSIX process, rlimits",
		Does: "getrlimit gives what the config says", Run: func(t *t) {
			f := t.Facts(h.Rlimit("RLIMIT_NOFILE", 200, 200), h.Rlimit("RLIMIT_CORE", 0, 0), h.Rlimit("RLIMIT_STACK", 4<<20, 16<<20))
			for kind, want := range map[string][2]uint64{"RLIMIT_NOFILE": {200, 200}, "RLIMIT_CORE": {0, 0}, "RLIMIT_STACK": {4 << 20, 16 << 20}} {
				// A soft NOFILE limit below the hard one can't be told: a Go
				// program such as the probe raises it before main.
				if got := f.Rlimits[kind]; got.Soft != want[0] || got.Hard != want[1] {
					t.Errorf("%s is %+v, want %v", kind, f.Rlimits[kind], want)
				}
			}
		},
	},
	{
		Name: "process/rlimit-fsize", Clause: "config.md POSIX process, rlimits",
		Does: "a program that may write no file runs, and one that is not there is told of", Run: func(t *t) {
			none := h.Rlimit("RLIMIT_FSIZE", 0, 0)
			c := t.Create(none, h.Do("exit", "7")) // printing could need a file
			c.Start()
			c.WaitStatus("stopped")
			if r := t.Try("run", "--bundle", t.Bundle(none, h.Do("exit", "7")).Dir, t.ID()); r.Code != 7 {
				t.Errorf("want exit status 7: %s", r)
			}
			checkText(t, cantExecute(t, t.Bundle(none, h.Args("/missing"))), "/missing")
		},
	},
	{
		Name: "process/rlimit-too-high", Clause: "config.md POSIX process, rlimits", OS: linux, Else: "root of NetBSD may raise every limit",
		Does: "a limit that can't be raised is an error that names it", Run: func(t *t) {
			if canRaise(t) {
				t.Skipf("this host lets the caller raise limits")
			}
			// runtime.md Create: properties of process may be applied by start.
			r := cantExecute(t, t.Bundle(h.Idle, h.Rlimit("RLIMIT_NOFILE", 1<<30-1, 1<<30-1)))
			checkText(t, r, "nofile", "rlimit type 7", "resource limit", "rlimits")
		},
	},
	{
		Name: "process/signals-default", Clause: "POSIX execve: signals ignored or blocked stay so",
		Does: "no signal is blocked or ignored in the program", Run: func(t *t) {
			f := t.Facts()
			if strings.Trim(f.Blocked, "0") != "" || len(f.Ignored) > 0 {
				t.Errorf("blocked %s, ignored %q", f.Blocked, f.Ignored)
			}
		},
	},
	{
		Name: "process/no-new-privileges", Clause: "config.md Linux Process, noNewPrivileges", OS: linux, Else: "NetBSD has no such flag: every mount of the cell is nosuid instead, see process/no-set-id",
		Does: "the program can't gain privileges", Run: func(t *t) {
			b := t.Bundle()
			b.Spec.Process.NoNewPrivileges = true
			b.Write()
			if line := t.Line(t.ProbeBundle(b), "facts"); !line.Facts.NoNewPrivs {
				t.Errorf("no_new_privs is not set")
			}
		},
	},
	{
		Name: "process/oom-score", Clause: "config.md Linux Process, oomScoreAdj", OS: linux, Else: "NetBSD has no out-of-memory score; a warning says so",
		Does: "the out-of-memory score is the configured one", Run: func(t *t) {
			b, score := t.Bundle(), 500
			b.Spec.Process.OOMScoreAdj = &score
			b.Write()
			if f := t.Line(t.ProbeBundle(b), "facts").Facts; f.OOMScoreAdj == nil || *f.OOMScoreAdj != score {
				t.Errorf("oom_score_adj is %v", f.OOMScoreAdj)
			}
		},
	},
	{
		Name: "process/capabilities", Clause: "config.md Linux Process, capabilities", OS: linux, Else: "NetBSD has no capabilities: they become permissions of the cell, see the policy reference",
		Does: "the process has the configured capabilities and no other", Run: func(t *t) {
			b := t.Bundle()
			one := []string{"CAP_KILL"}
			b.Spec.Process.Capabilities.Bounding, b.Spec.Process.Capabilities.Effective, b.Spec.Process.Capabilities.Permitted = one, one, one
			b.Write()
			const kill = "0000000000000020"
			if f := t.Line(t.ProbeBundle(b), "facts").Facts; f.CapBounding != kill || f.CapEff != kill {
				t.Errorf("bounding %s, effective %s, want CAP_KILL alone", f.CapBounding, f.CapEff)
			}
		},
	},
	{
		Name: "process/first-of-namespace", Clause: "config-linux.md Namespaces, pid", OS: linux, Else: "a cell hides the other processes and keeps the host's pids",
		Does: "the program is process 1 and sees no process of the host", Run: func(t *t) {
			lines := t.Probe(h.Do("facts", ";", "ls", "/proc"))
			if f := t.Line(lines, "facts").Facts; f.Pid != 1 {
				t.Errorf("pid is %d", f.Pid)
			}
			for _, name := range t.Succeeds(lines, "ls", "/proc").Names {
				if name[0] >= '2' && name[0] <= '9' {
					t.Errorf("/proc shows process %s", name)
				}
			}
		},
	},
	{
		Name: "process/hostname", Clause: "config.md Hostname", OS: linux, Else: "NetBSD has one host name for all cells; the variable HOSTNAME is set, and a warning says so",
		Does: "the program sees the configured hostname", Run: func(t *t) {
			b := t.Bundle()
			b.Spec.Hostname = "conformance-host"
			b.Write()
			if f := t.Line(t.ProbeBundle(b), "facts").Facts; f.Hostname != "conformance-host" {
				t.Errorf("hostname is %q", f.Hostname)
			}
		},
	},
}

// canRaise says whether this process may raise a hard limit.
func canRaise(t *t) bool {
	var old syscall.Rlimit
	t.Must("get limit", syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	higher := old
	higher.Max++
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) != nil {
		return false
	}
	t.Must("set limit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old))
	return true
}

var processUsers = []h.Case{
	{
		Name: "process/user", Clause: "config.md POSIX-platform User",
		Does: "the program runs with uid, gid and additionalGids", Run: func(t *t) {
			f := t.Facts(h.User(1000, 1001, 7, 1002))
			if f.UID != 1000 || f.EUID != 1000 || f.GID != 1001 || f.EGID != 1001 {
				t.Errorf("uid %d/%d, gid %d/%d", f.UID, f.EUID, f.GID, f.EGID)
			}
			groups := without2(f.Groups, 1001)
			if slices.Sort(groups); !slices.Equal(groups, []int{7, 1002}) {
				t.Errorf("groups are %v", f.Groups)
			}
		},
	},
	{
		Name: "process/groups-reset", Clause: "config.md POSIX-platform User; attack CVE-2022-2989",
		Does: "the caller's groups are not the program's", Run: func(t *t) {
			b := t.Bundle(h.User(1000, 1000))
			r := t.Do(call{
				Args: []string{"run", "--bundle", b.Dir, t.ID()},
				Sys:  &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{0, 4242}}},
			})
			if f := t.Line(h.ParseLines(r.Stdout), "facts").Facts; len(without2(f.Groups, 1000)) > 0 {
				t.Errorf("groups are %v", f.Groups)
			}
		},
	},
	{
		Name: "process/umask", Clause: "config.md POSIX-platform User, umask",
		Does: "the umask is the configured one", Run: func(t *t) {
			b, umask := t.Bundle(), uint32(0o027)
			b.Spec.Process.User.Umask = &umask
			b.Write()
			if f := t.Line(t.ProbeBundle(b), "facts").Facts; f.Umask != 0o027 {
				t.Errorf("umask is %#o", f.Umask)
			}
		},
	},
	{
		Name: "process/user-writes", Clause: "config.md POSIX-platform User",
		Does: "another user can't write to root's files", Run: func(t *t) {
			lines := t.Probe(h.User(1000, 1000), h.Do("write", "/etc/file", "x", ";", "write", "/tmp/file", "x"))
			t.Denied([]string{"EACCES"}, lines, "write", "/etc/file")
			t.Succeeds(lines, "write", "/tmp/file")
		},
	},
}

func without2(list []int, n int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(e int) bool { return e == n })
}

// denied are things that a process without any capability must not do.
func denied() []h.Case {
	var cases []h.Case
	for _, d := range []struct{ op, does string }{
		{"mount /tmp", "mount a filesystem"},
		{"settime", "set the clock"},
		{"mknod /tmp/disk", "make a block device"},
	} {
		cases = append(cases, h.Case{
			Name: "process/denied-" + strings.Fields(d.op)[0], Clause: "config.md Linux Process, capabilities",
			Does: "root without capabilities can't " + d.does, Run: func(t *t) {
				b := t.Bundle(h.Do(strings.Fields(d.op)...))
				b.Edit(func(c map[string]any) { c["process"].(map[string]any)["capabilities"] = map[string]any{} })
				t.Denied([]string{"EPERM", "EACCES"}, t.ProbeBundle(b), strings.Fields(d.op)[0])
			},
		})
	}
	return cases
}
