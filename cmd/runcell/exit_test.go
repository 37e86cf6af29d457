package main

// Exit codes, the one line on standard error, and the log.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/runtime"
)

func TestExitCodes(t *testing.T) {
	failed := errors.New("container not running")
	for _, c := range []struct {
		line   string
		err    error
		status int
		code   int
		stderr string // a pattern; empty means no output
	}{
		{"start c1", nil, 0, 0, ""},
		{"start c1", failed, 0, 1, `^runcell: container not running\n$`},
		{"run c1", nil, 0, 0, ""},
		{"run c1", nil, 7, 7, ""},
		{"run c1", nil, 128 + 9, 137, ""},
		{"run c1", failed, 0, 1, "not running"},
		{"wait c1", nil, 3, 3, ""},
		{"exec c1 ls", nil, 1, 1, ""},
		{"exec c1 ls", nil, 143, 143, ""},
		{"exec c1 ls", failed, 0, 255, "not running"},
		{"exec c1", nil, 0, 255, "needs a container ID and a command"},
		{"exec --nonsense c1 ls", nil, 0, 255, `exec has no flag "nonsense"`},
		{"exec --apparmor p c1 ls", nil, 0, 255, "cells have no AppArmor"},
		{"exec --process-label l c1 ls", nil, 0, 255, "cells have no SELinux"},
		{"exec --process /nowhere c1", nil, 0, 255, "open process.*no such file"},
		{"exec --process /x --user 1 c1", nil, 0, 255, "--user and --process together"},
		{"exec --process /x c1 ls", nil, 0, 255, "nothing else"},
		{"exec -u root c1 ls", nil, 0, 255, `--user: user "root" is not a number`},
		{"exec -u= c1 ls", nil, 0, 255, `user "" is not a number`},
		{"exec --cwd tmp c1 ls", nil, 0, 255, "not an absolute path"},
		{"exec -e A c1 ls", nil, 0, 255, "not NAME=VALUE"},
		{"exec -g -1 c1 ls", nil, 0, 255, `group "-1" is not a number`},
		{"exec --preserve-fds -1 c1 ls", nil, 0, 255, "0 or more"},
		{"create", nil, 0, 1, "create needs a container ID"},
		{"create a b", nil, 0, 1, "got 2 arguments"},
		{"create --preserve-fds -1 a", nil, 0, 1, "0 or more"},
		{"delete", nil, 0, 1, "delete needs a container ID"},
		{"delete a b", runtime.ErrNotExist, 0, 1, "does not exist; .*does not exist"},
		{"state --roof x", nil, 0, 1, `state has no flag "roof".*"runcell state --help"`},
		{"kill", nil, 0, 1, "kill needs a container ID"},
		{"kill c1 NOSIGNAL", nil, 0, 1, "NOSIGNAL"},
		{"stop", nil, 0, 1, "stop needs container IDs or --all"},
		{"stop --all c1", nil, 0, 1, `leave out "c1", or --all`},
		{"stop --time 9999999999 c1", nil, 0, 1, `--time "9999999999": want a number of seconds from 0 to 9223372036, `},
		// Values of flags are spoken of as they are typed, and as an operator would.
		{"stop --time 5x c1", nil, 0, 1, `^runcell: --time "5x": want a number of seconds from 0 to 9223372036, or a time such as 500ms, 5s or 1m30s; "runcell stop --help" lists the flags\n$`},
		{"stop --time 5s c1", nil, 0, 0, "5s at most"},
		{"stop --time 5 c1", nil, 0, 0, "5s at most"},
		{"stop -t 99999999999999999999 c1", nil, 0, 1, `^runcell: -t "99999999999999999999": want a number of seconds from 0 to 9223372036, `},
		{"run --detach=yes c1", nil, 0, 1, `^runcell: --detach "yes": want true or false, or the flag alone; `},
		{"events --interval 5x c1", nil, 0, 1, `^runcell: --interval "5x": want a number of seconds from 0 to `},
		{"list --format yaml", nil, 0, 1, `^runcell: --format "yaml": unknown format "yaml" \(use `},
		{`list --format "\\x"`, nil, 0, 1, `^runcell: --format "\S+": unknown format `},
		{"exec --preserve-fds x c1 ls", nil, 0, 255, `^runcell: --preserve-fds "x": want a whole number; `},
		{"kill -9 c1", nil, 0, 1, "the container comes first: runcell kill c1 9"},
		{"kill -HUP c1", nil, 0, 1, `kill has no flag "HUP"`},
		{"stop --time -1 c1", nil, 0, 1, `--time "-1": want a number of seconds from 0`},
		{"stop --time 0 c1", nil, 0, 0, ""},
		{"stop --time 0 c1", failed, 0, 1, "not running"},
		{"stop --time 0 c1 missing c2", nil, 0, 1, "does not exist"},
		{"list extra", nil, 0, 1, "list takes no arguments"},
		{"list --format xml", nil, 0, 1, `unknown format "xml"`},
		{"ps", nil, 0, 1, "ps needs a container ID"},
		{"--rootless=perhaps state c1", nil, 0, 1, "perhaps"},
		{"--cgroup-manager none create c1", nil, 0, 1, "use cgroupfs, systemd or disabled"},
		{"--log-format xml state c1", nil, 0, 1, "use text or json"},
		{"--log /nowhere/log state c1", nil, 0, 1, "open log"},
		{"stat c1", nil, 0, 1, `runcell has no command "stat" \(did you mean "state"\?\)`},
		{"checkpoint c1", nil, 0, 1, "cells have no checkpoints"},
		{"checkpoint --image-path /x --leave-running c1", nil, 0, 1, "cells have no checkpoints"},
		{"--log-format json restore --detach --bundle /b c1", nil, 0, 1, "cells have no checkpoints"},
		{"events", nil, 0, 1, "events needs a container ID"},
		{"events --interval 0s c1", nil, 0, 1, "more than 0"},
		{"events c1", failed, 0, 1, "not running"},
		{"update", nil, 0, 1, "update needs a container ID"},
		{"update --pids-limit x c1", nil, 0, 1, "want a whole number"},
		{"update --resources /nowhere c1", nil, 0, 1, "open resources.*no such file"},
		{"update --resources /x --memory 5 c1", nil, 0, 1, "--resources together with"},
		{"update --resources - c1", nil, 0, 1, "read resources -: "},
		{"--strict update --memory 5m c1", nil, 0, 1, "cells have no such limits, nothing was changed: --memory"},
		{"update --memory 5m c1", nil, 0, 0, ""},
		{"metrics --inetd --output /x", nil, 0, 1, "leave one of them out"},
		{"metrics c1", nil, 0, 1, `container "c1": container does not exist`},
		{"metrics --output /nowhere/x", nil, 0, 1, "write /nowhere/x: .*no such file"},
		{"help nonsense", nil, 0, 1, `runcell has no command "nonsense"; "runcell --help"`},
		{"help -A0", nil, 0, 1, `help has no flag "A0"`},
		{"completion tcsh", nil, 0, 1, `runcell completion has no command "tcsh"`},
		{"explain /nowhere", nil, 0, 1, "no such file"},
	} {
		t.Run(c.line, func(t *testing.T) {
			f := &fake{err: c.err, status: c.status, states: []*runtime.State{{}}}
			_, stderr, code := f.runcell(t, strings.Fields(c.line)...)
			if code != c.code {
				t.Errorf("exit code = %d; want %d (stderr %q)", code, c.code, stderr)
			}
			if c.stderr == "" && stderr != "" || !regexp.MustCompile(c.stderr).MatchString(stderr) {
				t.Errorf("stderr = %q; want %q", stderr, c.stderr)
			}
			if strings.Count(stderr, "\n") > 1 {
				t.Errorf("stderr has more than a line: %q", stderr)
			}
		})
	}
}

func TestErrorStaysOnOneLine(t *testing.T) {
	f := &fake{err: errors.Join(errors.New("first"), errors.New("sec\x1b[31mond\r"))}
	_, stderr, _ := f.runcell(t, "start", "c1")
	if want := "runcell: first; sec?[31mond\n"; stderr != want {
		t.Errorf("stderr = %q; want %q", stderr, want)
	}
}

// logged runs create, which warns twice, and gives its log.
func logged(t *testing.T, err error, flags ...string) (text, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	f := &fake{err: err, hook: func(ctx context.Context) {
		log.G(ctx).Warn("linux.seccomp: no such thing")
		log.G(ctx).WithField("mount", "/sys").Warn("left out")
		log.G(ctx).Debug("step")
	}}
	_, stderr, _ = f.runcell(t, append(append([]string{"--log", path}, flags...), "create", "c1")...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), stderr
}

type record struct {
	Level, Msg, Time string
	Warnings         []string
}

func records(t *testing.T, text string) []record {
	t.Helper()
	var all []record
	dec := json.NewDecoder(strings.NewReader(text))
	for dec.More() {
		var r record
		if err := dec.Decode(&r); err != nil {
			t.Fatalf("log is not JSON: %v\n%s", err, text)
		}
		if _, err := time.Parse(time.RFC3339, r.Time); err != nil {
			t.Errorf("time: %v", err)
		}
		all = append(all, r)
	}
	return all
}

// podman takes the log of a failed command as exactly one JSON object.
func TestLogOfFailureIsOneObject(t *testing.T) {
	text, stderr := logged(t, errors.New("exec /x: permission denied"), "--log-format=json")
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("one object: %v\n%s", err, text)
	}
	if r.Level != "error" || r.Msg != "exec /x: permission denied" || len(r.Warnings) != 2 {
		t.Errorf("record = %+v", r)
	}
	if r.Warnings[1] != "left out mount=/sys" {
		t.Errorf("warnings = %q", r.Warnings)
	}
	if want := "runcell: exec /x: permission denied\n"; stderr != want {
		t.Errorf("stderr = %q; want %q", stderr, want)
	}
}

func TestLogOfSuccessKeepsWarnings(t *testing.T) {
	text, stderr := logged(t, nil, "--log-format=json")
	all := records(t, text)
	if len(all) != 2 || all[0].Level != "warning" || all[0].Msg != "linux.seccomp: no such thing" || stderr != "" {
		t.Errorf("records = %+v, stderr %q", all, stderr)
	}
}

// containerd takes the last error among the objects.
func TestDebugLogEndsWithTheError(t *testing.T) {
	text, _ := logged(t, errors.New("broken"), "--debug", "--log-format=json")
	all := records(t, text)
	if len(all) < 4 || all[len(all)-1].Level != "error" || all[len(all)-1].Msg != "broken" {
		t.Errorf("records = %+v", all)
	}
}

func TestTextLog(t *testing.T) {
	text, _ := logged(t, errors.New("broken"))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "level=warning") || !strings.Contains(lines[2], "level=error msg=broken") {
		t.Errorf("log = %q", text)
	}
}

func TestLogIsAppended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for range 2 {
		(&fake{err: errors.New("broken")}).runcell(t, "--log", path, "--log-format", "json", "start", "c1")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(records(t, string(b))); n != 2 {
		t.Errorf("%d records; want 2", n)
	}
}

// An error in the flags of a command reaches the log too.
func TestUsageErrorIsLogged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	(&fake{}).runcell(t, "--log", path, "--log-format", "json", "create", "--nonsense", "c1")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if all := records(t, string(b)); len(all) != 1 || !strings.Contains(all[0].Msg, "nonsense") {
		t.Errorf("records = %+v", all)
	}
}

// Without --log, standard error belongs to the container's output.
func TestWarningsWithoutLog(t *testing.T) {
	warn := func(ctx context.Context) { log.G(ctx).Warn("careful") }
	if _, stderr, _ := (&fake{hook: warn}).runcell(t, "run", "c1"); stderr != "" {
		t.Errorf("stderr = %q; want nothing", stderr)
	}
	if _, stderr, _ := (&fake{hook: warn}).runcell(t, "--debug", "run", "c1"); stderr != "runcell: warning: careful\n" {
		t.Errorf("stderr = %q with --debug", stderr)
	}
}

func TestInertFlagsAreLoggedAtDebug(t *testing.T) {
	_, stderr, _ := (&fake{}).runcell(t, "--debug", "--systemd-cgroup", "create", "--no-new-keyring", "c1")
	for _, flag := range []string{"--systemd-cgroup", "--no-new-keyring"} {
		if !strings.Contains(stderr, "debug: flag "+flag+" has no effect") {
			t.Errorf("stderr = %q; want a line about %s", stderr, flag)
		}
	}
}

// While run waits, its warnings can be read already.
func TestRunWritesWarningsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := &fake{hook: func(ctx context.Context) {
		log.G(ctx).Warn("careful")
		if b, _ := os.ReadFile(path); !strings.Contains(string(b), "careful") {
			t.Errorf("log during run = %q", b)
		}
	}}
	f.runcell(t, "--log", path, "run", "c1")
}

func TestRootlessCommandRunsAgain(t *testing.T) {
	old := os.Args
	defer func() { os.Args = old }()
	os.Args = []string{"runcell", "create", "c1"}
	f := &fake{}
	a := newApp()
	a.embed = func() error { return nil }
	a.euid, a.getenv = 7, func(string) string { return "/run/user/7" }
	a.open = func(string, string, bool) (engine, error) { return f, nil }
	a.reenter = func(pid int) (int, bool, error) { return 4, pid == 0, nil }
	if code := a.main(os.Args); code != 4 || f.call != "" {
		t.Errorf("code = %d, call %q; want 4 and no call in this process", code, f.call)
	}
	if got := strings.Join(os.Args, " "); got != "runcell --root /run/user/7/runcell create c1" {
		t.Errorf("arguments = %q", got)
	}
}

// A script whose variable is not set has named no command, which is an error and
// no wish for help.
func TestEmptyCommand(t *testing.T) {
	for _, args := range [][]string{{""}, {"", "web"}, {"completion", ""}} {
		f := &fake{}
		stdout, stderr, code := f.runcell(t, args...)
		if stdout != "" || code != 1 || !strings.Contains(stderr, `has no command ""`) {
			t.Errorf("runcell %q: %q, %q, code %d; want an error", args, stdout, stderr, code)
		}
	}
}

// A declared cell whose program has ended has no container, and somebody asks.
func TestDeclaredAndGone(t *testing.T) {
	etc := t.TempDir()
	if err := os.Mkdir(filepath.Join(etc, "runcell"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "runcell", "web.cell"), []byte("image = web:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tells := `web is declared: "runcell service status web" tells more`
	for _, command := range []string{"state", "inspect", "wait", "kill", "delete", "stop", "ps", "exec", "pause", "metrics"} {
		for id, want := range map[string]bool{"web": true, "other": false} {
			f := &fake{err: fmt.Errorf("look: %w", runtime.NotExistError{ID: id}), etc: etc}
			args := []string{command, id}
			if command == "exec" {
				args = append(args, "true")
			}
			_, stderr, code := f.runcell(t, args...)
			if code == 0 || strings.Contains(stderr, tells) != want {
				t.Errorf("%q: code %d, %q", args, code, stderr)
			}
		}
	}
	f := &fake{err: runtime.NotExistError{ID: "other"}, etc: etc} // one that nobody declared, whatever was typed
	if _, stderr, _ := f.runcell(t, "kill", "web"); strings.Contains(stderr, "declared") {
		t.Errorf("of another: %q", stderr)
	}
}
