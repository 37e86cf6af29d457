package runtime

// The log that containerd and podman read errors from.

import (
	"encoding/json"
	"os"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// entry is a line of the JSON log.
type entry struct {
	Level, Msg string
	Time       string
}

// withJSONLog runs the runtime with a JSON log and gives the entries.
func withJSONLog(t *t, args ...string) (h.CmdResult, []entry) {
	path := t.Path("log.json")
	r := t.Do(call{Global: []string{"--root", t.Root, "--log", path, "--log-format", "json"}, Args: args})
	var list []entry
	if !h.Exists(path) {
		return r, nil
	}
	for line := range strings.Lines(t.ReadFile(path)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("a line of the log is %q: %v", line, err)
		}
		list = append(list, e)
	}
	return r, list
}

var logs = []h.Case{
	{
		Name: "log/one-json-object", Clause: "podman: the log is one JSON object",
		Does: "a failed create logs one JSON object with level error and a message", Run: func(t *t) {
			r, list := withJSONLog(t, "create", "--bundle", t.Bundle(h.Args("/no/such/program")).Dir, t.ID())
			t.CheckRefused(r)
			if len(list) != 1 || list[0].Level != "error" || list[0].Msg == "" {
				t.Fatalf("the log is %+v", list)
			}
			checkText(t, h.CmdResult{Stderr: list[0].Msg}, notFound...)
		},
	},
	{
		Name: "log/time", Clause: "containerd: time is RFC 3339",
		Does: "the time of an error parses, and is now", Run: func(t *t) {
			_, list := withJSONLog(t, "start", t.ID())
			if len(list) == 0 {
				t.Fatalf("the log is empty")
			}
			at, err := time.Parse(time.RFC3339, list[len(list)-1].Time)
			if err != nil || time.Since(at).Abs() > t.Limit(time.Minute) {
				t.Errorf("time is %q: %v", list[len(list)-1].Time, err)
			}
		},
	},
	{
		Name: "log/last-error-wins", Clause: "containerd: the last error of the log",
		Does: "the last entry of a failed command has level error", Run: func(t *t) {
			_, list := withJSONLog(t, "kill", t.ID(), "9")
			if len(list) == 0 || list[len(list)-1].Level != "error" {
				t.Errorf("the log is %+v", list)
			}
		},
	},
	{
		Name: "log/success", Clause: "podman: errors in the log",
		Does: "a command that succeeds logs no error", Run: func(t *t) {
			_, list := withJSONLog(t, "create", "--bundle", t.Bundle(h.Idle).Dir, t.ID())
			for _, e := range list {
				if e.Level == "error" || e.Level == "fatal" {
					t.Errorf("the log has %+v", e)
				}
			}
		},
	},
	{
		Name: "log/debug", Clause: "runc command line: --debug",
		Does: "with --debug every command that does something logs what it does", Run: func(t *t) {
			b, id, path := t.Bundle(h.Idle), t.ID(), t.Path("log.json")
			for _, args := range [][]string{{"create", "--bundle", b.Dir, id}, {"start", id}, {"exec", id, h.ProbePath, "exit", "0"}, {"kill", id, "KILL"}, {"delete", "--force", id}} {
				t.Must("remove log", os.RemoveAll(path))
				r := t.Do(call{Global: []string{"--root", t.Root, "--debug", "--log", path, "--log-format", "json"}, Args: args})
				if r.Code != 0 {
					t.Errorf("want success: %s", r)
				}
				if !h.Exists(path) || !strings.Contains(t.ReadFile(path), `"level":"debug"`) {
					t.Errorf("%s logs nothing", args[0])
				}
			}
		},
	},
	{
		Name: "log/appends", Clause: "containerd: one log for all commands",
		Does: "a later command appends to the log", Run: func(t *t) {
			withJSONLog(t, "start", t.ID())
			if _, list := withJSONLog(t, "start", t.ID()); len(list) != 2 {
				t.Errorf("the log is %+v", list)
			}
		},
	},
	{
		Name: "log/equals-form", Clause: "podman: --log-format=json --log FILE",
		Does: "flags are accepted in both forms, with = and without", Run: func(t *t) {
			path := t.Path("log.json")
			r := t.Do(call{Global: []string{"--root=" + t.Root, "--log-format=json", "--log=" + path}, Args: []string{"start", t.ID()}})
			t.CheckRefused(r)
			var e entry
			if err := json.Unmarshal([]byte(t.ReadFile(path)), &e); err != nil || e.Level != "error" {
				t.Errorf("the log is %q: %v", t.ReadFile(path), err)
			}
		},
	},
	{
		Name: "log/text", Clause: "runc command line: --log",
		Does: "without --log-format the log is text, and has the error", Run: func(t *t) {
			path := t.Path("log")
			t.Do(call{Global: []string{"--root", t.Root, "--log", path}, Args: []string{"start", t.ID()}})
			if text := t.ReadFile(path); strings.TrimSpace(text) == "" || text[0] == '{' {
				t.Errorf("the log is %q", text)
			}
		},
	},
	{
		Name: "log/bad-format", Clause: "peer defect: --format parsed and ignored",
		Does: "an unknown log format is an error", Run: func(t *t) {
			if r := t.Do(call{Global: []string{"--root", t.Root, "--log-format", "xml"}, Args: []string{"list"}}); r.Code == 0 {
				t.Errorf("want an error: %s", r)
			}
		},
	},
}
