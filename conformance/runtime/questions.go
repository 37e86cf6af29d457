package runtime

// The questions of a bad night, each asked with one line, of what runs.

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

const questionsClause = "runcell(8): one line for each question"

var questions = []h.Case{
	{
		Name: "questions/cpu", Clause: questionsClause,
		Does: "what uses the processor is the first line of top", Run: func(t *t) {
			own(t, "top")
			idle := t.Running(h.Idle)
			busy := t.Running(h.Do("burn", ";", "signals"))
			// A machine that others use may not get to it at once.
			t.Eventually(func() bool {
				var rows []topRow
				answer(t, &rows, "top", "--format", "json")
				rows = slices.DeleteFunc(rows, func(r topRow) bool { return r.Container != idle.ID && r.Container != busy.ID })
				return len(rows) == 2 && rows[0].Container == busy.ID && rows[0].CPUPercent > 1 && rows[0].Processes > 0
			}, "top does not name %s first", busy.ID)
		},
	},
	{
		Name: "questions/whose", Clause: questionsClause,
		Does: "a process of the host's list is somebody's, or nobody's", Run: func(t *t) {
			own(t, "ps --pid")
			c, other := t.Running(h.Idle), t.Running(h.Idle)
			pid := c.State().Pid
			if r := t.OK("ps", "--pid", strconv.Itoa(pid)); !strings.Contains(r.Stdout, c.ID) || strings.Contains(r.Stdout, other.ID) {
				t.Errorf("process %d is %s's: %s", pid, c.ID, r)
			}
			if r := t.OK("ps", "--all"); !strings.Contains(r.Stdout, c.ID) || !strings.Contains(r.Stdout, other.ID) {
				t.Errorf("want both: %s", r)
			}
			t.Refused("ps", "--pid", strconv.Itoa(os.Getpid()))
		},
	},
	{
		Name: "questions/stop-all", Clause: questionsClause,
		Does: "everything is stopped by one line, and nothing is deleted", Run: func(t *t) {
			own(t, "stop")
			list := []*h.Container{t.Running(h.Idle), t.Running(h.Idle)}
			t.OK("stop", "--all", "--time", "0")
			for _, c := range list {
				if s := c.State(); s.Status != "stopped" {
					t.Errorf("%s is %s", c.ID, s.Status)
				}
			}
		},
	},
	{
		Name: "questions/port", Clause: questionsClause,
		Does: "who waits on a port, and who reserves one, is told by what runs and not by config.json", Run: func(t *t) {
			own(t, "ports")
			c := t.Running(h.Annotate("org.netbsd.cell.reserved-ports", "61234/udp"), h.Do("listen", "127.0.0.1:0", ";", "signals"))
			other := t.Running(h.Idle)
			port := c.WaitLine("listen").Text
			c.Bundle.Spec.Annotations = nil // what the file says now does not matter
			c.Bundle.Write()
			if r := t.OK("ports", port); !strings.Contains(r.Stdout, c.ID) || !strings.Contains(r.Stdout, "waits") || strings.Contains(r.Stdout, other.ID) {
				t.Errorf("port %s is %s's: %s", port, c.ID, r)
			}
			if r := t.OK("ports", "61234"); !strings.Contains(r.Stdout, c.ID) || !strings.Contains(r.Stdout, "reserved") {
				t.Errorf("port 61234 is %s's: %s", c.ID, r)
			}
			c.Stop()
			t.Refused("ports", port)
		},
	},
	{
		Name: "questions/denials", Clause: questionsClause, OS: netbsd, Else: "Linux does not count what is denied: questions/denials-unknown",
		Does: "what was denied has a name, a time, and what would open it, also after the program has ended", Run: func(t *t) {
			own(t, "denials")
			c := t.Running(h.Do("mknod", "/tmp/node", ";", "signals"))
			quiet := t.Running(h.Idle)
			c.Stop()
			var rows []struct {
				Container string
				Total     int
				Last      struct{ Class, Permission, Opens, Time string }
			}
			answer(t, &rows, "denials", "--format", "json", c.ID)
			if len(rows) != 1 || rows[0].Total == 0 || !strings.HasPrefix(rows[0].Last.Class, "system.mknod") ||
				rows[0].Last.Permission != "mknod" || rows[0].Last.Opens == "" || rows[0].Last.Time == "" {
				t.Errorf("denials are %+v", rows)
			}
			if r := t.OK("denials", c.ID); !strings.Contains(r.Stdout, `"permissions": ["mknod"]`) {
				t.Errorf("want what would open it: %s", r)
			}
			if r := t.OK("denials", "--all"); !strings.Contains(r.Stdout, c.ID+": ") || !strings.Contains(r.Stdout, quiet.ID+": ") {
				t.Errorf("want both: %s", r)
			}
		},
	},
	{
		Name: "questions/denials-unknown", Clause: questionsClause, OS: linux, Else: "the counterpart of questions/denials",
		Does: "where denied requests are not counted, it is not said that there were none", Run: func(t *t) {
			own(t, "denials")
			c := t.Running(h.Idle)
			checkText(t, t.Refused("denials", c.ID), "not counted")
			checkText(t, t.Refused("denials", "--all"), "not counted")
		},
	},
	{
		Name: "questions/changed", Clause: questionsClause,
		Does: "what a program changed of its image's files is told, and by the exit status whether anything is", Run: changedFiles,
	},
	{
		Name: "questions/upgrade", Clause: questionsClause,
		Does: "a declared cell gets a newer image, and keeps its settings and its data", Run: askUpgrade,
	},
	{
		Name: "questions/rollback", Clause: questionsClause,
		Does: "a declared cell gets the image before back, with its settings and its data", Run: askRollback,
	},
	{
		Name: "questions/move", Clause: questionsClause,
		Does: "a declared cell comes to another machine in a file: declaration, root and data", Run: askMove,
	},
	{
		Name: "questions/network", Clause: questionsClause,
		Does: "whether a container has a network is told by the kernel's side", Run: func(t *t) {
			own(t, "inspect")
			for _, network := range []string{"host", "none"} {
				c := t.Running(h.Annotate("org.netbsd.cell.network", network), h.Do("bindto", "127.0.0.1:0", ";", "signals"))
				var i struct {
					ID   string
					Cell struct{ Network string }
				}
				answer(t, &i, "inspect", "--format", "json", c.ID)
				if i.ID != c.ID || i.Cell.Network != network {
					t.Errorf("network %s: inspect says %+v", network, i)
				}
				if line := c.WaitLine("bindto"); line.OK != (network == "host") {
					t.Errorf("network %s: the program's bind is %+v", network, line)
				}
			}
		},
	},
	{
		Name: "questions/why-not", Clause: questionsClause,
		Does: "why it does not start is said: the setting, and the interpreter that is missing", Run: func(t *t) {
			own(t, "explain")
			b := t.Bundle(h.Idle, h.Mount("/x", "tmpfs", "tmpfs", "idmap"))
			checkText(t, t.Refused("explain", b.Dir), "mounts[")
			b = t.Bundle(h.Args("/bin/script"))
			t.Must("write script", os.WriteFile(b.RootFS("bin", "script"), []byte("#!/no/such/shell\n"), 0o755))
			checkText(t, refusedCreate(t, b), `interpreter "/no/such/shell"`)
			c := t.Running(h.Idle)
			if r := t.OK("explain", c.ID); !strings.Contains(r.Stdout, "This configuration can run") {
				t.Errorf("want what it runs by: %s", r)
			}
		},
	},
	{
		Name: "questions/ended", Clause: questionsClause,
		Does: "a program that dies at once is told of by run --detach, and the list has its exit status", Run: func(t *t) {
			own(t, "run --detach's message")
			dir, id := t.Bundle(h.Do("exit", "3")).Dir, ""
			t.Eventually(func() bool { // on a busy machine, at once is longer than it is waited for
				id = t.ID()
				return strings.Contains(t.OK("run", "--detach", "--bundle", dir, id).Stderr, "ended at once, with exit status 3")
			}, "no end is told of")
			if r := t.OK("list"); !strings.Contains(r.Stdout, "stopped (3)") {
				t.Errorf("want its exit status: %s", r)
			}
			if r := t.Try("wait", "--timeout", "30s", id); r.Code != 3 {
				t.Errorf("want its exit status: %s", r)
			}
			c := t.Running(h.Idle)
			if r := t.Try("wait", "--timeout", "100ms", c.ID); r.Code != 124 {
				t.Errorf("want 124 of a program that runs: %s", r)
			}
		},
	},
}

// topRow is a row of top.
type topRow struct {
	Container  string
	CPUPercent float64
	Processes  int
}

// answer asks, and reads the answer's JSON.
func answer(t *t, to any, args ...string) {
	r := t.OK(args...)
	if err := json.Unmarshal([]byte(r.Stdout), to); err != nil {
		t.Fatalf("decode what %s prints: %v: %s", args[0], err, r)
	}
}

// changedFiles makes an image of the probe's root, and a container of it that
// writes.
func changedFiles(t *t) {
	own(t, "image diff")
	source := t.Bundle(h.Idle)
	layout := "oci:" + t.Path("image")
	t.OK("image", "pack", "--cmd", h.ProbePath, "--cmd", "signals", source.RootFS(), layout)
	b := t.Path("bundle")
	t.OK("image", "unpack", layout, b)
	id := t.ID()
	t.OK("run", "--detach", "--bundle", b, id)
	if r := t.Try("image", "diff", id); r.Code != 0 || r.Stdout != "" {
		t.Errorf("nothing has changed: %s", r)
	}
	t.OK("exec", id, h.ProbePath, "write", "/etc/new", "x")
	if r := t.Try("image", "diff", id); r.Code != 1 || !strings.Contains(r.Stdout, "/etc/new") {
		t.Errorf("want the new file, and 1: %s", r)
	}
	askServiceFiles(t)
}
