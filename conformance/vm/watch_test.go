package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// run plays events to a watcher with short limits.
func runWatcher(t *testing.T, sc *script, play func(events chan<- event)) (w *watcher, log string, typed string, err error) {
	t.Helper()
	var logged, keys strings.Builder
	w = &watcher{s: sc.s, log: &logged, typed: func(s string) { keys.WriteString(s) }, limits: limits{
		quiet: 300 * time.Millisecond, total: 5 * time.Second, linger: 500 * time.Millisecond, farewell: 200 * time.Millisecond, partial: 10 * time.Millisecond,
	}}
	// The clock is the bubble's: it goes on when everybody waits, however slow the
	// machine is.
	synctest.Test(t, func(*testing.T) {
		events := make(chan event, 1<<10) // more than any play has: it ends though nobody listens any more
		go play(events)
		err = w.watch(events)
	})
	return w, logged.String(), keys.String(), err
}

func frame(seq int, kind protocol.Kind, text string) string {
	return protocol.Frame{Seq: seq, Kind: kind, Text: text}.String() + "\r\n"
}

func TestWatchToTheEnd(t *testing.T) {
	sc := newScript(load)
	report := frame(1, protocol.Begin, "load") +
		frame(2, protocol.Result, protocol.Encode(protocol.Outcome{Step: "load", OK: true})) + frame(3, protocol.Bye, "")
	_, log, _, err := runWatcher(t, sc, func(events chan<- event) {
		events <- event{false, []byte("\x1bc\x1b[?7l\x1b[2JSeaBIOS\r\nNetBSD 10")}
		for _, b := range []byte(report) { // in the smallest pieces
			events <- event{true, []byte{b}}
		}
	})
	if err != nil || !sc.s.close(err) {
		t.Errorf("watch = %v\n%s", err, sc.out.String())
	}
	for _, want := range []string{" console SeaBIOS\n", " report  vm "} {
		if !strings.Contains(log, want) {
			t.Errorf("log %q has no %q", log, want)
		}
	}
}

// A kernel that panics while it shuts down has not passed.
func TestWatchPanicAtTheEnd(t *testing.T) {
	sc := newScript(load)
	_, _, _, err := runWatcher(t, sc, func(events chan<- event) {
		events <- event{true, []byte(frame(1, protocol.Begin, "load") +
			frame(2, protocol.Result, protocol.Encode(protocol.Outcome{Step: "load", OK: true})) + frame(3, protocol.Bye, ""))}
		events <- event{false, []byte("syncing disks... done\r\npanic: vrelel: bad ref count\r\n")}
		close(events)
	})
	if sc.s.close(err) || !strings.Contains(sc.out.String(), "bad ref count") {
		t.Errorf("watch = %v\n%s", err, sc.out.String())
	}
}

// A silent kernel is called to its debugger, and its answer is in the report.
func TestWatchHang(t *testing.T) {
	sc := newScript(load)
	_, _, typed, err := runWatcher(t, sc, func(events chan<- event) {
		events <- event{true, []byte(frame(1, protocol.Begin, "load"))}
		time.Sleep(350 * time.Millisecond)
		events <- event{false, []byte("Stopped in pid 0.3\r\ndb> ")}
		time.Sleep(50 * time.Millisecond)
		events <- event{false, []byte("bt\r\nmutex_vector_enter() at netbsd:mutex_vector_enter+0x10\r\ndb> ")}
	})
	if typed != sendBreak+"bt\rset $lines = 0\rps\r" {
		t.Errorf("typed %q", typed)
	}
	if err != nil || sc.s.close(err) {
		t.Errorf("watch = %v, and all is well", err)
	}
	for _, want := range []string{"the guest hangs: not a word for 300ms", "mutex_vector_enter+0x10"} {
		if !strings.Contains(sc.out.String(), want) {
			t.Errorf("no %q in\n%s", want, sc.out.String())
		}
	}
}

// In a step that wants the power cut nothing is waited for, and nothing has failed.
func TestWatchPowerCut(t *testing.T) {
	sc := newScript(cut, load)
	_, _, _, err := runWatcher(t, sc, func(events chan<- event) {
		events <- event{true, []byte(frame(1, protocol.Begin, "cut"))}
		events <- event{true, []byte(frame(2, protocol.Alive, ""))}
	})
	if err != nil || !sc.s.dark || sc.s.fault != nil {
		t.Errorf("watch = %v, dark %v, fault %v", err, sc.s.dark, sc.s.fault)
	}
}

// The guest reads with which step it begins from a disk.
func TestFirstStep(t *testing.T) {
	m := &machine{first: filepath.Join(t.TempDir(), "first.img")}
	plan := &protocol.Plan{Steps: []protocol.Step{load, cut, suiteA}}
	for _, step := range []int{0, 2} {
		if err := m.begin(step); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(m.first)
		if err != nil || len(b) < protocol.SectorSize {
			t.Fatal(len(b), err)
		}
		if got, err := plan.FirstOf(b[:protocol.SectorSize]); err != nil || got != step {
			t.Errorf("the guest begins with step %d, %v; want %d", got, err, step)
		}
	}
	if !plan.CutsPower() || (&protocol.Plan{Steps: plan.Steps[:1]}).CutsPower() {
		t.Error("CutsPower is wrong")
	}
}

func TestWatchEndOfMachine(t *testing.T) {
	sc := newScript(load)
	_, log, _, err := runWatcher(t, sc, func(events chan<- event) {
		events <- event{false, []byte("the last words")}
		close(events)
	})
	if !errors.Is(err, errMachine) || !strings.Contains(log, "the last words") {
		t.Errorf("watch = %v, log %q", err, log)
	}
}

// A guest that goes on and on is stopped, however alive it is.
func TestWatchTotal(t *testing.T) {
	sc := newScript(load)
	var logged strings.Builder
	w := &watcher{s: sc.s, log: &logged, limits: limits{quiet: time.Hour, total: 200 * time.Millisecond, linger: time.Hour, partial: time.Hour}}
	synctest.Test(t, func(t *testing.T) {
		events, stop := make(chan event, 1), make(chan struct{})
		defer close(stop)
		go func() {
			for i := 1; ; i++ {
				select {
				case <-time.After(time.Millisecond):
					events <- event{true, []byte(frame(i, protocol.Alive, ""))}
				case <-stop:
					return
				}
			}
		}()
		start := time.Now()
		err := w.watch(events)
		if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "not done after") || took > 210*time.Millisecond {
			t.Errorf("watch = %v after %s", err, took)
		}
	})
}

// A kernel in its debugger is asked for a backtrace, which is in the report.
func TestWatchDebugger(t *testing.T) {
	sc := newScript(load)
	_, _, typed, err := runWatcher(t, sc, func(events chan<- event) {
		events <- event{false, []byte("panic: lock error\r\nStopped in pid 7.1\r\ndb{0}> ")}
		time.Sleep(50 * time.Millisecond)
		events <- event{false, []byte("bt\r\ncell_enter() at netbsd:cell_enter+0x10\r\ndb{0}> ")}
	})
	if typed != "bt\r" {
		t.Errorf("typed %q; want one bt", typed)
	}
	if sc.s.close(err) || !strings.Contains(sc.out.String(), "cell_enter+0x10") {
		t.Errorf("watch = %v\n%s", err, sc.out.String())
	}
}

func TestWatchRootPrompt(t *testing.T) {
	sc := newScript(load)
	_, _, _, err := runWatcher(t, sc, func(events chan<- event) {
		events <- event{false, []byte("boot device: <unknown>\r\nroot device: ")}
	})
	if sc.s.close(err) || !strings.Contains(sc.out.String(), "did not find its root device") {
		t.Errorf("watch = %v\n%s", err, sc.out.String())
	}
}

func TestDebuggerPrompts(t *testing.T) {
	for prompt, want := range map[string]bool{"db>": true, "db{1}> ": true, "db{12}>": true, "$ ": false, "adb> ": false} {
		if got := debugger.MatchString(prompt); got != want {
			t.Errorf("debugger(%q) = %v; want %v", prompt, got, want)
		}
	}
}
