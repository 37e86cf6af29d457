package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

var update = flag.Bool("update", false, "write the golden files")

// script is a guest that says what it is told to.
type script struct {
	s   *session
	out strings.Builder
	tap strings.Builder
	seq int
}

func newScript(steps ...protocol.Step) *script {
	sc := &script{}
	sc.s = newSession(&protocol.Plan{Steps: steps}, &sc.out, func(step, line string) {
		fmt.Fprintf(&sc.tap, "%s| %s\n", step, line)
	})
	return sc
}

func (sc *script) say(kind protocol.Kind, text string) {
	sc.seq++
	sc.s.port(protocol.Frame{Seq: sc.seq, Kind: kind, Text: text}.String() + "\r")
}

// does is a step with its output, from begin to result.
func (sc *script) does(step string, ok bool, out ...string) {
	sc.say(protocol.Begin, step)
	for _, line := range out {
		sc.say(protocol.Out, line)
	}
	o := protocol.Outcome{Step: step, OK: ok, Seconds: 1.25}
	if !ok {
		o.Detail = "run /vm/conformance: exit status 1"
	}
	sc.say(protocol.Result, protocol.Encode(o))
}

// loses is what the host does in a step that wants the power cut.
func (sc *script) loses() {
	if !sc.s.dark {
		panic("the session does not want that")
	}
	sc.s.again()
	sc.seq = 0
}

var (
	cut    = protocol.Step{Name: "cut", Do: protocol.PowerCut}
	suiteC = protocol.Step{Name: "c", Do: protocol.Exec, Args: []string{"/vm/a"}, Timeout: 60, TAP: true}
	load   = protocol.Step{Name: "load", Do: protocol.ModLoad, Args: []string{"/x"}, Must: true}
	suiteA = protocol.Step{Name: "a", Do: protocol.Exec, Args: []string{"/vm/a"}, Timeout: 60, TAP: true}
	quietB = protocol.Step{Name: "b", Do: protocol.Exec, Args: []string{"/vm/b"}, Timeout: 60, TAP: true, Quiet: true}
)

// Each of these is a run with its whole TAP in testdata/NAME.tap. Only those in
// passes may end with success.
var passes = map[string]bool{"good": true, "harmless-words": true, "power": true}

var sessions = []struct {
	name  string
	steps []protocol.Step
	play  func(sc *script)
	why   error // of the watcher
}{
	{"good", []protocol.Step{load, suiteA, quietB}, func(sc *script) {
		sc.s.console("NetBSD 7.99.34 (cells)")
		sc.say(protocol.Hello, protocol.Encode(protocol.Machine{System: "NetBSD", Release: "7.99.34", Machine: "x86_64", CPUs: 2, Memory: 512 << 20, Version: "NetBSD 7.99.34 (cells) #1"}))
		sc.does("load", true)
		sc.say(protocol.Alive, "")
		sc.does("a", true, "TAP version 14", "ok 1 - one", "not ok 2 - two # TODO known", "  ---", "  ...", "ok 3 # SKIP no", "1..3")
		sc.does("b", true, "TAP version 14", "1..1", "ok 1 - not shown")
		sc.say(protocol.Bye, "")
	}, nil},
	{"failed-test", []protocol.Step{suiteA, quietB}, func(sc *script) {
		sc.does("a", false, "1..2", "ok 1 - one", "not ok 2 - two", "  ---", `  message: "why"`, "  ...")
		sc.does("b", false, "1..3", "ok 1 - not shown", "not ok 2 - shown", "  ---", "  ...", "ok 3 - not shown")
		sc.say(protocol.Bye, "")
	}, nil},
	{"exit-status", []protocol.Step{suiteA}, func(sc *script) {
		sc.say(protocol.Begin, "a")
		sc.say(protocol.Out, "1..1")
		sc.say(protocol.Out, "ok 1")
		sc.say(protocol.Err, "panic: the runner")
		sc.say(protocol.Result, protocol.Encode(protocol.Outcome{Step: "a", Detail: "run /vm/a: exit status 2"}))
		sc.say(protocol.Bye, "")
	}, nil},
	{"incomplete", []protocol.Step{suiteA}, func(sc *script) {
		sc.does("a", true, "TAP version 14", "1..3", "ok 1", "ok 2")
		sc.say(protocol.Bye, "")
	}, nil},
	{"no-tap", []protocol.Step{suiteA}, func(sc *script) {
		sc.does("a", true)
		sc.say(protocol.Bye, "")
	}, nil},
	{"gave-up", []protocol.Step{load, suiteA}, func(sc *script) {
		sc.does("load", false)
		sc.say(protocol.Bye, `step "load" failed, and the rest needs it`)
	}, nil},
	{"panic", []protocol.Step{suiteA, quietB}, func(sc *script) {
		sc.say(protocol.Begin, "a")
		sc.say(protocol.Out, "ok 1 - one")
		sc.s.console("panic: kernel diagnostic assertion \"c != NULL\" failed")
		sc.s.console("cpu0: Begin traceback...")
		sc.say(protocol.Out, "ok 2 - too late")
	}, errMachine},
	{"hang", []protocol.Step{suiteA}, func(sc *script) {
		sc.say(protocol.Begin, "a")
		sc.say(protocol.Out, "ok 1 - one")
	}, errors.New("the guest hangs: not a word for 1m0s")},
	{"reboot", []protocol.Step{suiteA}, func(sc *script) {
		sc.say(protocol.Begin, "a")
		sc.say(protocol.Out, "1..1")
		sc.say(protocol.Out, "ok 1")
	}, errMachine},
	{"early-bye", []protocol.Step{suiteA, quietB}, func(sc *script) {
		sc.does("a", true, "1..1", "ok 1")
		sc.say(protocol.Bye, "")
	}, nil},
	{"lost-line", []protocol.Step{suiteA}, func(sc *script) {
		sc.say(protocol.Begin, "a")
		sc.seq++
		sc.say(protocol.Out, "ok 1")
	}, nil},
	{"damaged-line", []protocol.Step{suiteA}, func(sc *script) {
		sc.say(protocol.Begin, "a")
		sc.s.port("\x1evm 00000000 2 out ok 1")
	}, nil},
	{"noise-on-the-port", []protocol.Step{suiteA}, func(sc *script) {
		sc.s.port("login: ")
	}, nil},
	{"out-of-turn", []protocol.Step{suiteA, quietB}, func(sc *script) {
		sc.does("b", true, "1..1", "ok 1")
		sc.say(protocol.Bye, "")
	}, nil},
	{"output-of-no-step", []protocol.Step{suiteA}, func(sc *script) {
		sc.say(protocol.Out, "ok 1")
	}, nil},
	{"harmless-words", []protocol.Step{load}, func(sc *script) {
		sc.say(protocol.Begin, "load")
		sc.s.console("rc: root device: wd0a, the bootloader: none")
		sc.s.console("agent: open /dev/tty01: no such device: the report is on the console")
		sc.say(protocol.Result, protocol.Encode(protocol.Outcome{Step: "load", OK: true}))
		sc.say(protocol.Bye, "")
	}, nil},
	{"no-root", []protocol.Step{suiteA}, func(sc *script) {
		sc.s.console("root device: ")
	}, nil},
	{"power", []protocol.Step{suiteA, cut, suiteC}, func(sc *script) {
		sc.does("a", true, "1..1", "ok 1")
		sc.say(protocol.Begin, "cut")
		sc.loses()
		sc.say(protocol.Hello, protocol.Encode(protocol.Machine{System: "NetBSD", CPUs: 1}))
		sc.does("c", true, "1..1", "ok 1")
		sc.say(protocol.Bye, "")
	}, nil},
	{"power-and-all-again", []protocol.Step{suiteA, cut, suiteC}, func(sc *script) {
		sc.does("a", true, "1..1", "ok 1")
		sc.say(protocol.Begin, "cut")
		sc.loses()
		sc.does("a", true, "1..1", "ok 1")
		sc.say(protocol.Bye, "")
	}, nil},
	{"loader", []protocol.Step{suiteA}, func(sc *script) {
		sc.s.console("Booting from ROM..loader: the kernel file is truncated")
	}, nil},
	{"few-rounds", []protocol.Step{{Name: "count", Do: protocol.Count}}, func(sc *script) {
		sc.say(protocol.Begin, "count")
		sc.say(protocol.Counts, `{"pool x":1}`)
		sc.say(protocol.Result, protocol.Encode(protocol.Outcome{Step: "count", OK: true}))
		sc.say(protocol.Bye, "")
	}, nil},
}

func TestSessions(t *testing.T) {
	for _, test := range sessions {
		t.Run(test.name, func(t *testing.T) {
			sc := newScript(test.steps...)
			test.play(sc)
			if ok := sc.s.close(test.why); ok != passes[test.name] {
				t.Errorf("close = %v", ok)
			}
			got := sc.out.String()
			golden := filepath.Join("testdata", test.name+".tap")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("TAP (%v):\n%s\nwant:\n%s", err, got, want)
			}
			checkTAP(t, got, passes[test.name])
		})
	}
}

// checkTAP: what we print is TAP that our own reader takes.
func checkTAP(t *testing.T, text string, good bool) {
	t.Helper()
	d := newDocument()
	for line := range strings.Lines(text) {
		d.line(strings.TrimRight(line, "\n"))
	}
	if d.problem != nil || d.plan != d.points || (d.verdict() == nil) != good {
		t.Errorf("our TAP reads as %+v", d)
	}
}

// The record is the suite's TAP as it came, also of quiet steps.
func TestRecord(t *testing.T) {
	sc := newScript(suiteA, quietB)
	sc.does("a", true, "1..1", "ok 1 - x")
	sc.does("b", true, "1..1", "ok 1 - y")
	if want := "a| 1..1\na| ok 1 - x\nb| 1..1\nb| ok 1 - y\n"; sc.tap.String() != want {
		t.Errorf("record = %q; want %q", sc.tap.String(), want)
	}
}

// The report can come on the console too, between the kernel's lines.
func TestReportOnConsole(t *testing.T) {
	sc := newScript(load)
	for i, f := range []protocol.Frame{
		{Kind: protocol.Begin, Text: "load"},
		{Kind: protocol.Result, Text: protocol.Encode(protocol.Outcome{Step: "load", OK: true})},
		{Kind: protocol.Bye},
	} {
		f.Seq = i + 1
		sc.s.console("wd0: a kernel's line")
		sc.s.console(f.String())
	}
	if !sc.s.close(nil) {
		t.Errorf("TAP:\n%s", sc.out.String())
	}
}

// Whatever comes on the ports, only a plan that was reported step by step is a
// success.
func FuzzSession(f *testing.F) {
	f.Add("panic: x\n", "")
	f.Add("", protocol.Frame{Seq: 1, Kind: protocol.Begin, Text: "a"}.String()+"\n"+protocol.Frame{Seq: 2, Kind: protocol.Out, Text: "ok 1"}.String())
	f.Add("\x1evm x", "{}")
	f.Fuzz(func(t *testing.T, console, port string) {
		sc := newScript(suiteA, load)
		for line := range strings.Lines(port) {
			sc.s.port(line)
		}
		for line := range strings.Lines(console) {
			sc.s.console(line)
		}
		if sc.s.close(nil) && !strings.Contains(port+console, "result") {
			t.Errorf("success without a result:\n%s", sc.out.String())
		}
	})
}
