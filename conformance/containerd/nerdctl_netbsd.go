package containerd

// Sessions of nerdctl, with the networks that there are: host and none.

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// nerd starts a containerd with the image, on a system that has the files which
// nerdctl gives its containers.
func nerd(t *t) *daemon {
	for path, content := range map[string]string{"/etc/hosts": "127.0.0.1 localhost\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n"} {
		if !h.Exists(path) {
			t.Must("write file", os.WriteFile(path, []byte(content), 0o644))
		}
	}
	return with(t)
}

// rm removes a container of nerdctl's, whatever it does.
func (d *daemon) rm(names ...string) { d.nerd(append([]string{"rm", "-f"}, names...)...) }

// lists wants a list of nerdctl's to be as said.
func (d *daemon) lists(want string, args ...string) {
	if r := d.nerd(args...); strings.TrimSpace(r.Stdout) != want {
		d.t.Errorf("%s; want %q", r, want)
	}
}

// inspected waits until nerdctl inspect shows a text for a template.
func (d *daemon) inspected(name, template, want string) {
	var last h.CmdResult
	deadline := time.Now().Add(d.t.Limit(change))
	for {
		if last = d.nerdctl("inspect", "--format", template, name); strings.TrimSpace(last.Stdout) == want {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("in vain: want %q: %s", want, last)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// process is the pid of a container of nerdctl's.
func (d *daemon) process(name string) int {
	pid, err := strconv.Atoi(strings.TrimSpace(d.nerd("inspect", "--format", "{{.State.Pid}}", name).Stdout))
	d.t.Must("read pid", err)
	if pid <= 1 {
		d.t.Fatalf("container %s has process %d", name, pid)
	}
	return pid
}

var nerdctls = []h.Case{
	{
		Name: "nerdctl/run", Clause: "nerdctl run --rm", Does: "output and exit status arrive with both networks", Run: func(t *t) {
			d := nerd(t)
			for _, net := range []string{"host", "none"} {
				said(t, d.nerdctl("run", "--rm", "--net", net, image, "say", "hello", ";", "exit", "4"), 4, "hello")
			}
			if r := d.nerd("ps", "-a", "-q"); strings.TrimSpace(r.Stdout) != "" {
				t.Errorf("containers after --rm: %s", r)
			}
		},
	},
	{
		Name: "nerdctl/life", Clause: "nerdctl run -d, ps, logs, exec, pause, unpause, stop, start, kill, rm",
		Does: "the life of a container in the background", Run: func(t *t) {
			d := nerd(t)
			d.nerd("run", "-d", "--name", "web", "--net", "none", image, "say", "first", ";", "sleep", "1000s")
			if r := d.nerd("ps"); !strings.Contains(r.Stdout, "web") || !strings.Contains(r.Stdout, "Up") {
				t.Errorf("the list: %s", r)
			}
			eventually(t, func() bool { return strings.Contains(d.nerdctl("logs", "web").Stdout, "first") }, "the log lacks what was said")
			said(t, d.nerdctl("exec", "web", h.ProbePath, "say", "inside"), 0, "inside")
			d.nerd("pause", "web")
			d.inspected("web", "{{.State.Status}}", "paused")
			d.nerd("unpause", "web")
			d.nerd("stop", "-t", "1", "web")
			d.inspected("web", "{{.State.Status}}", "exited")
			d.nerd("start", "web")
			d.inspected("web", "{{.State.Status}}", "running")
			d.nerd("kill", "web")
			d.inspected("web", "{{.State.ExitCode}}", "137")
			d.rm("web")
		},
	},
	{
		Name: "nerdctl/logs-follow", Clause: "nerdctl logs -f", Does: "lines come as they are written, and the end of the container is the end", Run: func(t *t) {
			d := nerd(t)
			d.nerd("run", "-d", "--name", "talker", "--net", "none", image, "say", "one", ";", "trap", "0")
			p := t.Begin(d.client("nerdctl", "logs", "-f", "talker"))
			eventually(t, func() bool { return strings.Contains(p.Output(), "ready") }, "no lines")
			d.nerd("kill", "-s", "TERM", "talker")
			r, ended := p.WaitFor(t.Limit(change))
			if !ended || !strings.Contains(r.Stdout, "one") || !strings.Contains(r.Stdout, "SIGTERM") {
				t.Errorf("following: %s, ended by itself: %v", r, ended)
			}
			d.rm("talker")
		},
	},
	{
		Name: "nerdctl/logs-whole", Clause: "nerdctl logs", Does: "what a container printed right before its end is in its log", Run: func(t *t) {
			d := nerd(t)
			d.nerd("run", "-d", "--name", "talker", "--net", "none", image, "lines", "3000")
			d.inspected("talker", "{{.State.Status}}", "exited")
			// The logger has read all by then; what it has read it may still be writing.
			var log string
			eventually(t, func() bool {
				log = d.nerd("logs", "talker").Stdout
				return strings.Count(log, "\n") >= 3000
			}, "the log is not whole")
			inOrder(t, "the log", log, 3000)
			d.rm("talker")
		},
	},
	{
		Name: "nerdctl/image", Clause: "nerdctl history, diff", Does: "an image of runcell's has a history; what a container changed is shown, and files that are mounted are, too", Run: func(t *t) {
			d := nerd(t)
			if r := d.nerd("history", image); !strings.Contains(r.Stdout, "runcell image pack") {
				t.Errorf("the history: %s", r)
			}
			d.nerd("run", "-d", "--name", "writer", "--net", "host", image, "write", "/new", "x")
			d.inspected("writer", "{{.State.Status}}", "exited")
			if r := d.nerd("diff", "writer"); !strings.Contains(r.Stdout, "A /new") || !strings.Contains(r.Stdout, "A /etc/hosts") {
				t.Errorf("the difference: %s", r)
			}
			d.rm("writer")
		},
	},
	{
		Name: "nerdctl/restart-always", Clause: "nerdctl run --restart=always", Does: "a program that fails is started again", Run: func(t *t) {
			d := nerd(t)
			d.nerd("run", "-d", "--name", "crash", "--restart=always", "--net", "none", "-v", t.MkdirAll("count")+":/count", image,
				"to", "/count/starts", ";", "mark", "start", ";", "exit", "3")
			deadline := time.Now().Add(t.Limit(change))
			for strings.Count(readIfThere(t.Path("count", "starts")), `"start"`) < 4 {
				if time.Now().After(deadline) {
					t.Fatalf("not started again: %q; containerd's log ends with %s", readIfThere(t.Path("count", "starts")), d.tail())
				}
				time.Sleep(100 * time.Millisecond)
			}
			d.rm("crash")
		},
	},
	{
		Name: "nerdctl/restart-on-failure", Clause: "nerdctl run --restart=on-failure",
		Does: "while containerd is away programs end: their status is known, and who failed is started again, and no one else", Run: func(t *t) {
			d := nerd(t)
			start := func(name, policy string, ops ...string) {
				d.nerd(append([]string{"run", "-d", "--name", name, "--restart=" + policy, "--net", "none", "-v", t.MkdirAll(name) + ":/count", image, "to", "/count/starts", ";"}, ops...)...)
			}
			starts := func(name string) int { return strings.Count(readIfThere(t.Path(name, "starts")), `"ready"`) }
			start("plain", "no", "trap", "3")
			start("failed", "on-failure", "trap", "3")
			start("fine", "on-failure", "trap", "0")
			names := []string{"plain", "failed", "fine"}
			eventually(t, func() bool { return starts("plain") == 1 && starts("failed") == 1 && starts("fine") == 1 }, "not all are ready")
			pids := map[string]int{}
			for _, name := range names {
				pids[name] = d.process(name)
			}
			d.stop(syscall.SIGKILL)
			for _, name := range names {
				t.Must("end "+name, syscall.Kill(pids[name], syscall.SIGTERM))
				gone(t, pids[name])
			}
			d.start()
			d.inspected("plain", "{{.State.Status}} {{.State.ExitCode}}", "exited 3")
			d.inspected("fine", "{{.State.Status}} {{.State.ExitCode}}", "exited 0")
			d.eventually(func() bool { return starts("failed") == 2 }, "who failed is started again")
			d.inspected("failed", "{{.State.Status}}", "running")
			t.Must("end it again", syscall.Kill(d.process("failed"), syscall.SIGTERM))
			// A third start is another round of containerd's: what the last one did is done.
			d.eventually(func() bool { return starts("failed") == 3 }, "who failed is started a third time")
			if a, b := starts("plain"), starts("fine"); a != 1 || b != 1 {
				t.Errorf("the program without a policy was started %d times, the one that did not fail %d times; want once", a, b)
			}
			d.rm(names...)
		},
	},
	{
		Name: "nerdctl/restart-unless-stopped", Clause: "nerdctl run --restart=unless-stopped",
		Does: "after its shim was killed, and after containerd was, too, the container runs again, and not after it was stopped", Run: func(t *t) {
			d := nerd(t)
			d.nerd("run", "-d", "--name", "web", "--restart=unless-stopped", "--net", "none", image, "sleep", "1000s")
			first := d.process("web")
			killShims(t)
			gone(t, first)
			d.inspected("web", "{{and (gt .State.Pid 0) (ne .State.Pid "+strconv.Itoa(first)+")}}", "true")
			d.stop(syscall.SIGKILL)
			killShims(t)
			d.start()
			d.inspected("web", "{{.State.Status}}", "running")
			d.nerd("stop", "-t", "1", "web")
			d.stop(syscall.SIGTERM)
			d.start()
			time.Sleep(t.Limit(25 * time.Second)) // more than two intervals of containerd's monitor
			if r := d.nerd("ps", "-q"); strings.TrimSpace(r.Stdout) != "" {
				t.Errorf("a container that was stopped runs: %s", r)
			}
			d.rm("web")
		},
	},
	{
		Name: "nerdctl/volumes", Clause: "nerdctl volume; run -v", Does: "a volume keeps what one container wrote for the next, and a directory can be read-only", Run: func(t *t) {
			d := nerd(t)
			d.nerd("volume", "create", "data")
			d.nerd("run", "--rm", "--net", "none", "-v", "data:/data", image, "write", "/data/file", "kept")
			said(t, d.nerdctl("run", "--rm", "--net", "none", "-v", "data:/data", image, "read", "/data/file"), 0, "kept")
			t.WriteFile("outside", "dir", "file")
			r := d.nerd("run", "--rm", "--net", "none", "-v", t.Path("dir")+":/dir:ro", image, "read", "/dir/file", ";", "write", "/dir/new", "x")
			if !strings.Contains(r.Stdout, "outside") || !strings.Contains(r.Stdout, "EROFS") {
				t.Errorf("a read-only directory: %s", r)
			}
			d.nerd("volume", "rm", "data")
		},
	},
	{
		Name: "nerdctl/prune", Clause: "nerdctl container prune, volume prune, image prune -a, system prune -a",
		Does: "what ended and what nobody uses goes, and nothing else", Run: func(t *t) {
			d := nerd(t)
			ended := func() {
				d.nerd("run", "-d", "--name", "done", "--net", "none", "-v", "/data", image, "exit", "0")
				d.inspected("done", "{{.State.Status}}", "exited")
			}
			d.nerd("volume", "create", "named")
			d.nerd("run", "-d", "--name", "busy", "--net", "none", "-v", "named:/data", image, "sleep", "1000s")
			ended()
			d.nerd("container", "prune", "-f")
			d.lists("busy", "ps", "-a", "--format", "{{.Names}}")
			d.nerd("volume", "prune", "-f")
			d.lists("named", "volume", "ls", "-q")
			d.nerd("image", "prune", "-a", "-f")
			if r := d.nerd("images", "-q"); strings.TrimSpace(r.Stdout) == "" {
				t.Errorf("the image of a container that runs has gone: %s", r)
			}
			d.rm("busy")
			ended()
			d.nerd("system", "prune", "-a", "-f", "--volumes")
			d.lists("", "ps", "-a", "-q")
			d.lists("named", "volume", "ls", "-q")
			d.lists("", "images", "-q")
			d.nerd("volume", "prune", "-a", "-f")
			d.lists("", "volume", "ls", "-q")
			eventually(t, func() bool { return strings.Count(strings.TrimSpace(d.ok("snapshots", "ls").Stdout), "\n") == 0 }, "snapshots are left")
		},
	},
}

const project = `services:
  first:
    image: localhost/probe:1
    network_mode: NETWORK
    command: ["say", "from the first", ";", "sleep", "1000s"]
  second:
    image: localhost/probe:1
    network_mode: NETWORK
    depends_on: [first]
    restart: always
    command: ["say", "from the second", ";", "sleep", "1000s"]
`

// compose is the life of a project.
func compose(network string) func(*t) {
	return func(t *t) {
		d := nerd(t)
		file := t.WriteFile(strings.ReplaceAll(project, "NETWORK", network), "project", "compose.yaml")
		do := func(args ...string) h.CmdResult { return d.nerd(append([]string{"compose", "-f", file}, args...)...) }
		do("up", "-d")
		if r := do("ps"); strings.Count(r.Stdout, "running")+strings.Count(r.Stdout, "Up") < 2 {
			t.Errorf("the services: %s", r)
		}
		eventually(t, func() bool {
			r := d.nerdctl("compose", "-f", file, "logs")
			return strings.Contains(r.Stdout, "from the first") && strings.Contains(r.Stdout, "from the second")
		}, "the logs lack what was said")
		said(t, d.nerdctl("compose", "-f", file, "exec", "-T", "first", h.ProbePath, "say", "inside"), 0, "inside")
		do("restart", "-t", "1", "first")
		do("down")
		if r := d.nerd("ps", "-a", "-q"); strings.TrimSpace(r.Stdout) != "" {
			t.Errorf("containers after down: %s", r)
		}
	}
}

var composes = []h.Case{
	{Name: "compose/host", Clause: "nerdctl compose", Does: "a project with the host's network comes up, is looked at, and goes", Run: compose("host")},
	{Name: "compose/none", Clause: "nerdctl compose", Does: "a project without a network comes up, is looked at, and goes", Run: compose("none")},
}

// readIfThere reads a file that a container makes.
func readIfThere(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}
