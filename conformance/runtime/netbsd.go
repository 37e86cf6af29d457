package runtime

// What NetBSD does in its own way: the counterparts of cases that apply to
// Linux only.

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

var netbsd = []string{"netbsd"}

// linuxHas says why a counterpart does not apply on Linux.
const linuxHas = "the counterpart of a case that applies to Linux: "

var onNetBSD = []h.Case{
	{
		Name: "mounts/bind-file-copied", Clause: "config.md Mounts, source", OS: netbsd, Else: linuxHas + "mounts/bind-file",
		Does: "a file that is bound is copied, and explain says so; the host's is left alone", Run: func(t *t) {
			file := t.WriteFile("host", "file")
			b := t.Bundle(h.Bind(file, "/etc/bound", "ro"), h.Do("read", "/etc/bound", ";", "write", "/etc/bound", "x"))
			r := t.OK("run", "--bundle", b.Dir, t.ID())
			if got := t.Succeeds(h.ParseLines(r.Stdout), "read").Text; got != "host" {
				t.Errorf("the file reads %q", got)
			}
			if got := t.ReadFile(file); got != "host" {
				t.Errorf("the host's file is %q", got)
			}
			if r := t.OK("explain", b.Dir); !strings.Contains(r.Stdout, "a file is copied") {
				t.Errorf("want a note: %s", r)
			}
		},
	},
	{
		Name: "mounts/bind-device", Clause: "config.md Mounts, source", OS: netbsd, Else: "Linux binds any file",
		Does: "a device can't be bound, and the error says what can be done", Run: func(t *t) {
			checkText(t, refusedCreate(t, t.Bundle(h.Idle, h.Bind("/dev/null", "/etc/null"))), "netbsd.devices")
		},
	},
	{
		Name: "mounts/proc-members", Clause: "config-linux.md Default Filesystems", OS: netbsd, Else: linuxHas + "mounts/proc",
		Does: "/proc shows the container's processes and no process of the host", Run: func(t *t) {
			b := t.Bundle(h.Mount("/proc", "proc", "proc"), h.Do("facts", ";", "ls", "/proc", ";",
				"read", "/proc/curproc/cmdline", ";", "read", "/proc/"+strconv.Itoa(os.Getpid())+"/cmdline", ";", "open", "/proc/0/mem", "r"))
			lines := t.ProbeBundle(b)
			own := strconv.Itoa(t.Line(lines, "facts").Facts.Pid)
			names := t.Succeeds(lines, "ls").Names
			for _, name := range names {
				if name[0] >= '0' && name[0] <= '9' && name != own {
					t.Errorf("process %s is seen", name)
				}
			}
			if !slices.Contains(names, own) {
				t.Errorf("the program's own process %s is not in %q", own, names)
			}
			t.Succeeds(lines, "read", "/proc/curproc/cmdline")
			t.Denied([]string{"EPERM", "ESRCH", "ENOENT"}, lines, "read", "/proc/"+strconv.Itoa(os.Getpid())+"/cmdline")
			t.Denied([]string{"EPERM", "ESRCH", "ENOENT"}, lines, "open", "/proc/0/mem")
		},
	},
	{
		Name: "create/long-root", Clause: "kernel interface: a cell's root has at most 255 bytes", OS: netbsd, Else: "only NetBSD's kernel is told a path",
		Does: "a state directory whose path is too long is an error that says so, and leaves nothing", Run: func(t *t) {
			long := filepath.Join(t.Dir, strings.Repeat("x", 200), strings.Repeat("y", 60))
			b := t.Bundle(h.Idle)
			r := t.Do(call{Args: []string{"create", "--bundle", b.Dir, "a"}, Global: []string{"--root", long}})
			t.CheckRefused(r)
			checkText(t, r, "shorter --root")
		},
	},
	{
		Name: "process/17-groups", Clause: "config.md POSIX-platform User, additionalGids", OS: netbsd, Else: "Linux takes 65,536 groups",
		Does: "more groups than the kernel takes are an error that names the field; 16 are not", Run: func(t *t) {
			groups := make([]uint32, 17)
			for i := range groups {
				groups[i] = uint32(100 + i)
			}
			checkText(t, refusedCreate(t, t.Bundle(h.Idle, h.User(1, 1, groups...))), "additionalgids")
			f := t.Facts(h.User(1, 1, groups[:16]...))
			for _, g := range groups[:16] {
				if !slices.Contains(f.Groups, int(g)) {
					t.Errorf("group %d is not in %v", g, f.Groups)
				}
			}
		},
	},
	{
		Name: "process/rlimit-kept", Clause: "config.md POSIX process, rlimits", OS: netbsd, Else: linuxHas + "process/rlimit-too-high",
		Does: "a limit that the kernel would lower in silence is an error that names it", Run: func(t *t) {
			checkText(t, cantExecute(t, t.Bundle(h.Idle, h.Rlimit("RLIMIT_NOFILE", 1<<30-1, 1<<30-1))), "process.rlimits rlimit_nofile")
		},
	},
	{
		Name: "process/no-set-id", Clause: "config.md Linux Process, noNewPrivileges",
		Does: "with noNewPrivileges a set-user-id program gains nothing", Run: func(t *t) {
			b := t.Bundle(h.User(1000, 1000), h.Args("/bin/set-id", "facts"))
			b.Spec.Process.NoNewPrivileges = true
			b.Write()
			program, err := os.ReadFile(t.HostProbe())
			t.Must("read probe", err)
			t.Must("install probe", os.WriteFile(b.RootFS("bin", "set-id"), program, 0o755))
			t.Must("chmod probe", os.Chmod(b.RootFS("bin", "set-id"), 0o755|os.ModeSetuid))
			if f := t.Line(t.ProbeBundle(b), "facts").Facts; f.EUID != 1000 || f.UID != 1000 {
				t.Errorf("user is %d, effective %d", f.UID, f.EUID)
			}
		},
	},
	{
		Name: "dev/by-name", Clause: "runcell: netbsd.devices", OS: netbsd, Else: linuxHas + "dev/configured",
		Does: "a device that is named is there, with the host's number and the configured mode", Run: func(t *t) {
			b := t.Bundle(h.Do("stat", "/dev/zero"))
			b.Edit(func(c map[string]any) {
				c["netbsd"] = map[string]any{"devices": []any{map[string]any{"path": "/dev/zero", "mode": 0o640}}}
			})
			st := t.Succeeds(t.ProbeBundle(b), "stat").Stat
			if st == nil || st.Type != "char" || st.Perm != 0o640 || st.Rdev != hostDevice(t, "/dev/zero") {
				t.Errorf("/dev/zero is %+v", st)
			}
		},
	},
	{
		Name: "dev/listed", Clause: "config-linux.md Devices", OS: netbsd, Else: linuxHas + "dev/configured",
		Does: "a device that the configuration has opens at profile high; one that the image has does not", Run: func(t *t) {
			b := t.Bundle(h.Do("open", "/dev/mem", "r", ";", "open", "/sibling", "r"))
			b.Edit(func(c map[string]any) {
				c["netbsd"] = map[string]any{"devices": []any{map[string]any{"path": "/dev/mem"}}}
			})
			t.Must("make node", unix.Mknod(b.RootFS("sibling"), unix.S_IFCHR|0o600, int(hostDevice(t, "/dev/kmem"))))
			lines := t.ProbeBundle(b)
			t.Succeeds(lines, "open", "/dev/mem")
			t.Denied([]string{"EPERM"}, lines, "open", "/sibling")
		},
	},
	{
		Name: "exec/among-members", Clause: "containerd, podman: exec", OS: netbsd, Else: linuxHas + "exec/inside",
		Does: "the process is in the container's root, can signal its processes, and none of the host", Run: func(t *t) {
			c := t.Running(h.Idle)
			pid := strconv.Itoa(c.State().Pid)
			lines := h.ParseLines(t.OK("exec", c.ID, h.ProbePath, "kill", pid, "SIGUSR1", ";", "stat", h.ProbePath,
				";", "kill", strconv.Itoa(os.Getpid()), "SIGUSR1").Stdout)
			t.Succeeds(lines, "kill", pid)
			t.Succeeds(lines, "stat")
			t.Denied([]string{"EPERM", "ESRCH"}, lines, "kill", strconv.Itoa(os.Getpid()))
			c.WaitLine("signal")
		},
	},
	{
		Name: "kill/all-members", Clause: "config-linux.md Namespaces, pid", OS: netbsd, Else: linuxHas + "exec/killed-with-container",
		Does: "kill --all KILL ends the first process and every other", Run: func(t *t) {
			c := t.Running(h.Do("children", "2", ";", "signals"))
			p := t.Begin(call{Args: []string{"exec", c.ID, h.ProbePath, "sleep", "600s"}})
			t.Eventually(func() bool { return strings.Contains(p.Output(), "ready") }, "the process is not ready")
			t.OK("kill", "--all", c.ID, "KILL")
			p.Ends("exec goes on after its container was killed")
			c.WaitStatus("stopped")
		},
	},
}
