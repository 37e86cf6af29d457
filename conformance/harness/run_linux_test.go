package harness

import (
	"os"
	"testing"
	"time"
)

// fakeSuite has a case for each way in which a case can end.
var fakeSuite = &Suite{
	Name: "fake",
	Cases: append([]Case{
		fake("end/pass", func(t *T) {
			if r := t.OK("say", "hello"); r.Stdout != "hello\n" {
				t.Errorf("stdout is %q", r.Stdout)
			}
		}),
		fake("end/refused", func(t *T) { t.Refused("fail") }),
		fake("end/fail", func(t *T) { t.Errorf("first"); t.Fatalf("second %s", t.Dir) }),
		fake("end/fatal-call", func(t *T) { t.OK("fail"); t.Errorf("not reached") }),
		fake("end/skip", func(t *T) { t.Skipf("not on %s", "this host") }),
		fake("end/panic", func(*T) { panic("broken case") }),
		fake("end/crash", func(t *T) { t.Refused("crash") }),
		{Name: "end/timeout", Clause: "none", Does: "holds", Timeout: 300 * time.Millisecond, Run: func(t *T) { t.OK("sleep") }},
		{Name: "end/other-system", Clause: "none", Does: "holds", OS: []string{"plan9"}, Run: func(t *T) { t.Errorf("ran") }},
		fake("end/known", func(t *T) { t.Errorf("as ever") }),
		fake("end/fixed", func(*T) {}),
		fake("end/goes-on", func(t *T) {
			p := t.Begin(Cmd{Args: []string{"sleep"}})
			t.Eventually(func() bool { return p.Output() != "" }, "it does not begin")
			p.ends(0, "%s goes on", "it")
			t.Errorf("not reached")
		}),
		fake("leave/nothing", func(t *T) { t.Must("make root", t.makeRoot()); t.OK("leave-lock", t.ID()) }),
		fake("leave/process", func(t *T) { t.OK("leave-process") }),
		fake("leave/state", func(t *T) { t.Must("make root", t.makeRoot()); t.OK("leave-state", t.ID()) }),
		fake("leave/file", func(t *T) { t.OK("leave-file", t.Bundle().Dir) }),
		fake("leave/mount", func(t *T) { t.OK("leave-mount", t.MkdirAll("mnt")) }),
		fake("leave/cgroup", func(t *T) { t.OK("leave-cgroup", t.Track(fakeCgroup(os.Getppid()))) }),
	}, neighbourCases...),
	Expected: Expected{"fake": {"end/known": "it is old", "end/fixed": "it was old"}},
}

func (t *T) makeRoot() error { t.MkdirAll("root"); return nil }

func TestOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		want    Outcome
		message string
	}{
		{"end/pass", Pass, ""},
		{"end/refused", Pass, ""},
		{"end/fail", Fail, "second DIR"},
		{"end/fatal-call", Fail, "want success: `--root DIR/root fail` = 1"},
		{"end/skip", Skip, ""},
		{"end/panic", Fail, "broken case"},
		{"end/crash", Fail, "not a crash"},
		{"end/timeout", Fail, "timed out in `--root DIR/root sleep`"},
		{"end/other-system", Skip, ""},
		{"end/known", Known, "as ever"},
		{"end/fixed", Fixed, ""},
		{"end/goes-on", Fail, "in vain: it goes on"},
		{"leave/nothing", Pass, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runFake(t, tt.name)
			if r.Outcome != tt.want || tt.message != "" && !contains(r.Message, tt.message) {
				t.Errorf("outcome is %s, messages %q, leaks %q; want %s with %q", r.Outcome, r.Message, r.Leaks, tt.want, tt.message)
			}
			if contains(r.Message, "not reached") {
				t.Errorf("the case went on after Fatalf")
			}
			if tt.name == "end/goes-on" && !contains(r.Log, "goroutine") {
				t.Errorf("log %q; want where the runtime stood", r.Log)
			}
			if r.Outcome == Skip && r.Reason == "" {
				t.Errorf("a skip without a reason")
			}
		})
	}
}

// TestLeaks leaves one thing of each kind behind and wants it found.
func TestLeaks(t *testing.T) {
	for _, tt := range []struct{ name, leak string }{
		{"leave/process", "process: "},
		{"leave/state", "state: DIR/root/cells.json"},
		{"leave/file", "bundle: DIR/bundle0/core"},
		{"leave/mount", "mount: DIR/mnt"},
		{"leave/cgroup", "cgroup: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			r := runFakeIn(t, dir, tt.name)
			if r.Outcome != Fail || len(r.Leaks) == 0 || !contains(r.Leaks, tt.leak) {
				t.Errorf("outcome is %s, leaks %q, messages %q; want a leak %q", r.Outcome, r.Leaks, r.Message, tt.leak)
			}
			checkGone(t, dir)
		})
	}
}
