package runtime

// state, list, ps, features and --version: what callers parse.

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// stateOf lists what the state directory holds under a container's id.
func stateOf(t *t, id string) []string {
	var found []string
	_ = filepath.WalkDir(t.Root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.Contains(filepath.Base(path), id) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

var semver = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

var state = []h.Case{
	{
		Name: "state/no-id", Clause: "runtime.md Query State",
		Does: "state without an id is an error", Run: func(t *t) { t.Refused("state") },
	},
	{
		Name: "state/unknown-id", Clause: "runtime.md Query State",
		Does: "state of a container that does not exist is an error", Run: func(t *t) {
			if r := t.Refused("state", t.ID()); r.Stdout != "" {
				t.Errorf("want nothing on stdout: %s", r)
			}
		},
	},
	{
		Name: "state/required-properties", Clause: "runtime.md State",
		Does: "ociVersion, id, status, pid and bundle are right", Run: func(t *t) {
			c := t.Create(h.Idle)
			s := c.State()
			if !semver.MatchString(s.OCIVersion) || s.ID != c.ID || s.Status != "created" || s.Bundle != c.Bundle.Dir || s.Pid < 2 {
				t.Errorf("state is %+v", s)
			}
		},
	},
	{
		Name: "state/pid-is-the-process", Clause: "runtime.md State, pid", OS: linux, Else: "it reads Linux's /proc",
		Does: "pid is the container's process from create to exit", Run: func(t *t) {
			c := t.Running(h.Idle)
			pid := c.State().Pid
			comm := t.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
			if strings.TrimSpace(comm) != "probe" {
				t.Errorf("pid %d runs %q", pid, comm)
			}
		},
	},
	{
		Name: "state/stopped-pid", Clause: "containerd: pid is 0 when stopped",
		Does: "a stopped container has pid 0 or none", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			if s := c.State(); s.Pid != 0 {
				t.Errorf("pid is %d", s.Pid)
			}
		},
	},
	{
		Name: "state/annotations", Clause: "runtime.md State, annotations",
		Does: "the config's annotations are in the state", Run: func(t *t) {
			c := t.Create(h.Idle, h.Annotate("com.example.a", "1 ü"), h.Annotate("com.example.b", ""))
			got := c.State().Annotations
			if got["com.example.a"] != "1 ü" || len(got) < 2 {
				t.Errorf("annotations are %v", got)
			}
		},
	},
	{
		Name: "state/extra-properties", Clause: "containerd, buildah: rootfs, created, owner",
		Does: "the state has rootfs, created (RFC 3339) and owner", Run: func(t *t) {
			c := t.Create(h.Idle)
			s := c.State()
			if s.Owner == nil || filepath.Base(s.Rootfs) != "rootfs" {
				t.Errorf("state is %+v", s)
			}
			created, err := time.Parse(time.RFC3339Nano, s.Created)
			if err != nil || time.Since(created).Abs() > t.Limit(time.Minute) {
				t.Errorf("created is %q: %v", s.Created, err)
			}
		},
	},
	{
		Name: "state/stable", Clause: "runtime.md State",
		Does: "created and pid do not change with start", Run: func(t *t) {
			c := t.Create(h.Idle)
			before := c.State()
			c.Start()
			c.WaitLine("ready")
			if after := c.State(); after.Created != before.Created || after.Pid != before.Pid {
				t.Errorf("before start %+v, after %+v", before, after)
			}
		},
	},
	{
		Name: "state/default-root", Clause: "conmon: state ID without flags",
		Does: "without --root every command uses the same default", Run: func(t *t) {
			b, id := t.Bundle(h.Idle), t.ID()
			bare := func(args ...string) h.CmdResult {
				r := t.Do(call{Args: args, Global: []string{}})
				if r.Code != 0 {
					t.Errorf("want success: %s", r)
				}
				return r
			}
			bare("create", "--bundle", b.Dir, id)
			if r := bare("state", id); !strings.Contains(r.Stdout, `"created"`) {
				t.Errorf("want created: %s", r)
			}
			bare("delete", "--force", id)
		},
	},
	{
		Name: "list/empty-json", Clause: "containerd: list --format=json",
		Does: "without containers list prints [] and not null", Run: func(t *t) {
			r := t.OK("list", "--format=json")
			if strings.Join(strings.Fields(r.Stdout), "") != "[]" {
				t.Errorf("want []: %s", r)
			}
		},
	},
	{
		Name: "list/json", Clause: "containerd: list --format=json",
		Does: "list prints every container with its properties", Run: func(t *t) {
			one, two := t.Create(h.Idle), t.Running(h.Idle)
			var list []h.State
			r := t.OK("list", "-f", "json")
			t.Must("decode list", json.Unmarshal([]byte(r.Stdout), &list))
			status := map[string]string{}
			for _, s := range list {
				status[s.ID] = s.Status
				if s.Pid == 0 || s.Created == "" || s.Owner == nil || !filepath.IsAbs(s.Bundle) {
					t.Errorf("an element of the list is %+v", s)
				}
			}
			if len(list) != 2 || status[one.ID] != "created" || status[two.ID] != "running" {
				t.Errorf("list is %s", r)
			}
		},
	},
	{
		Name: "list/bad-record", Clause: "one container's mistake is not another's",
		Does: "a record that can't be read hides no other container, and stops no command about it", Run: func(t *t) {
			c := t.Running(h.Idle)
			bad := t.Token + "-bad"
			for _, name := range []string{"state.json", "status", "config.json"} {
				path := t.Path("root", bad, name)
				t.Must("write record", os.WriteFile(path, []byte("no JSON"), 0o600))
			}
			t.Cleanup(func() { _ = os.RemoveAll(t.Path("root", bad)) })
			if r := t.Try("list", "--quiet"); !slices.Contains(strings.Fields(r.Stdout), c.ID) {
				t.Errorf("the other container is not listed: %s", r)
			}
			t.OK("state", c.ID)
			c.Stop()
			c.Delete()
			t.Probe(h.Do("mark", "ran"))
		},
	},
	{
		Name: "list/quiet", Clause: "runc command line: list --quiet",
		Does: "list --quiet prints one id a line and nothing else", Run: func(t *t) {
			c := t.Create(h.Idle)
			if r := t.OK("list", "--quiet"); r.Stdout != c.ID+"\n" {
				t.Errorf("want the id alone: %s", r)
			}
			c.Stop()
			c.Delete()
			if r := t.OK("list", "-q"); r.Stdout != "" {
				t.Errorf("want nothing: %s", r)
			}
		},
	},
	{
		Name: "list/table", Clause: "runc command line: list",
		Does: "the table has ID, PID and STATUS of each, beside what else a runtime tells", Run: func(t *t) {
			c := t.Create(h.Idle)
			r := t.OK("list")
			header, rows, _ := strings.Cut(r.Stdout, "\n")
			for _, want := range []string{"ID", "PID", "STATUS"} {
				if !slices.Contains(strings.Fields(header), want) {
					t.Errorf("the header %q lacks %s", header, want)
				}
			}
			if !strings.Contains(rows, c.ID) || !strings.Contains(rows, "created") {
				t.Errorf("the container is not in the table: %s", r)
			}
		},
	},
	{
		Name: "list/unknown-format", Clause: "peer defect: --format parsed and ignored",
		Does: "an unknown format is an error", Run: func(t *t) { t.Refused("list", "--format", "yaml") },
	},
	{
		Name: "ps/json", Clause: "containerd: ps --format json",
		Does: "ps prints an array of the processes' host pids", Run: func(t *t) {
			c := t.Running(h.Do("children", "2", ";", "signals"))
			var pids []int
			r := t.OK("ps", "--format", "json", c.ID)
			t.Must("decode pids", json.Unmarshal([]byte(r.Stdout), &pids))
			if len(pids) != 3 || !slices.Contains(pids, c.State().Pid) {
				t.Errorf("want 3 processes, %d among them: %s", c.State().Pid, r)
			}
		},
	},
	{
		Name: "ps/stopped", Clause: "runc: ps after the container stopped",
		Does: "a stopped container has no processes, which is no error", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			if got := strings.TrimSpace(t.OK("ps", "--format", "json", c.ID).Stdout); got != "[]" && got != "null" {
				t.Errorf("the processes are %s", got)
			}
			if lines := strings.Split(strings.TrimSpace(t.OK("ps", c.ID).Stdout), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "PID") {
				t.Errorf("want the header alone, got %q", lines)
			}
		},
	},
	{
		Name: "ps/unknown-id", Clause: "containerd: ps --format json",
		Does: "ps of a container that does not exist is an error", Run: func(t *t) { t.Refused("ps", "--format", "json", t.ID()) },
	},
	{
		Name: "features/accepted-version", Clause: "features.md Specification version",
		Does: "create accepts the ociVersionMax that features names", Run: func(t *t) {
			r := t.Do(call{Args: []string{"features"}, Global: []string{}})
			if r.Code != 0 {
				t.Fatalf("want features: %s", r)
			}
			var features struct{ OCIVersionMin, OCIVersionMax string }
			t.Must("decode features", json.Unmarshal([]byte(r.Stdout), &features))
			for _, version := range []string{features.OCIVersionMin, features.OCIVersionMax} {
				b := t.Bundle(h.Do("mark", "ran"))
				b.Spec.Version = version
				b.Write()
				t.Succeeds(t.ProbeBundle(b), "mark", "ran")
			}
		},
	},
	{
		Name: "features/hooks", Clause: "features.md Hooks",
		Does: "features lists the six kinds of hooks", Run: func(t *t) {
			var features struct{ Hooks []string }
			r := t.Do(call{Args: []string{"features"}, Global: []string{}})
			if r.Code != 0 {
				t.Fatalf("want features: %s", r)
			}
			t.Must("decode features", json.Unmarshal([]byte(r.Stdout), &features))
			for _, kind := range hookKinds {
				if !slices.Contains(features.Hooks, kind) {
					t.Errorf("%s is not in %q", kind, features.Hooks)
				}
			}
		},
	},
	{
		Name: "version/lines", Clause: "podman: --version",
		Does: "--version prints \"NAME version X\" and a spec: line", Run: func(t *t) {
			r := t.Do(call{Args: []string{"--version"}, Global: []string{}})
			if r.Code != 0 || !regexp.MustCompile(`(?m)\A\S+ version \S+$`).MatchString(r.Stdout) || !regexp.MustCompile(`(?m)^spec: \d+\.\d+`).MatchString(r.Stdout) {
				t.Errorf("version is %s", r)
			}
		},
	},
}
