package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// record runs a plan and returns its frames.
func record(t *testing.T, steps []protocol.Step, sys operations) ([]protocol.Frame, error) {
	t.Helper()
	var out bytes.Buffer
	r := newReporter(&out)
	err := r.bye(runPlan(r, &protocol.Plan{Steps: steps}, 0, sys))
	var frames []protocol.Frame
	for line := range strings.Lines(out.String()) {
		f, found, err := protocol.ParseFrame(line)
		if err != nil || !found || f.Seq != len(frames)+1 {
			t.Fatalf("line %q = %+v, %v, %v", line, f, found, err)
		}
		frames = append(frames, f)
	}
	return frames, err
}

// fake is a system whose module loads, and can't be unloaded.
func fake() operations {
	sys := system()
	sys.load = func(string) error { return nil }
	sys.unload = func(string) error { return errors.New("device busy") }
	sys.count = func() (protocol.Counters, error) { return protocol.Counters{"pool x": 3}, nil }
	return sys
}

func sh(name, script string) protocol.Step {
	return protocol.Step{Name: name, Do: protocol.Exec, Args: []string{"/bin/sh", "-c", script}, Timeout: 20}
}

func TestRunPlan(t *testing.T) {
	frames, err := record(t, []protocol.Step{
		{Name: "load", Do: protocol.ModLoad, Args: []string{"/x"}},
		sh("good", "echo one; echo two >&2; printf three"),
		sh("bad", "exit 7"),
		{Name: "count", Do: protocol.Count},
		{Name: "unload", Do: protocol.ModUnload, Args: []string{"x"}, Must: true},
		sh("never", "echo never"),
	}, fake())
	if err == nil || !strings.Contains(err.Error(), `"unload"`) {
		t.Errorf("runPlan = %v; want that the unload failed", err)
	}
	var got []string
	for _, f := range frames[1 : len(frames)-1] {
		text, _, _ := strings.Cut(f.Text, `,"seconds"`)
		got = append(got, string(f.Kind)+" "+text)
	}
	want := []string{
		"begin load", `result {"step":"load","ok":true`,
		"begin good", "out one", "err two", "out three", `result {"step":"good","ok":true`,
		"begin bad", `result {"step":"bad","ok":false,"detail":"run /bin/sh: exit status 7"`,
		"begin count", `counts {"pool x":3}`, `result {"step":"count","ok":true`,
		"begin unload", `result {"step":"unload","ok":false,"detail":"device busy"`,
	}
	// stdout and stderr are two pipes: the order of their lines is chance.
	slices.Sort(got[3:6])
	slices.Sort(want[3:6])
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("frames:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := frames[len(frames)-1]; last.Kind != protocol.Bye || last.Text == "" {
		t.Errorf("last frame = %v; want a bye with the reason", last)
	}
}

// A program that does not end is killed with all that it started.
func TestTimeout(t *testing.T) {
	step := sh("slow", "trap '' QUIT; echo here; sleep 3600 & sleep 3600")
	step.Timeout = 1
	frames, err := record(t, []protocol.Step{step}, fake())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range frames {
		text.WriteString(f.String() + "\n")
	}
	if !strings.Contains(text.String(), `"ok":false,"detail":"not finished after 1s"`) || !strings.Contains(text.String(), "out here") {
		t.Errorf("frames:\n%s\nwant the output and a timeout", text.String())
	}
}

// A process that leaves its group can outlive the step, which then failed.
func TestLeftBehind(t *testing.T) {
	frames, err := record(t, []protocol.Step{sh("daemon", "setsid sleep 8 & echo done; sleep 0.5")}, fake())
	if err != nil || !strings.Contains(frames[len(frames)-2].Text, "left behind holds its output open") {
		t.Errorf("frames = %v, %v", frames, err)
	}
}

func TestReporterKeepsLinesApart(t *testing.T) {
	var out bytes.Buffer
	r := newReporter(&out)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			l := &lines{r: r, kind: protocol.Out}
			for range 100 {
				_, _ = l.Write([]byte("half "))
				_, _ = l.Write([]byte("whole\nnext"))
				l.flush()
			}
		})
	}
	wg.Wait()
	n := 0
	for line := range strings.Lines(out.String()) {
		n++
		if f, _, err := protocol.ParseFrame(line); err != nil || f.Seq != n {
			t.Fatalf("line %d = %v, %v", n, f, err)
		}
	}
	if n != 800 {
		t.Errorf("%d lines; want 800", n)
	}
}

func TestCounters(t *testing.T) {
	uvm := make([]byte, 8*uvmFields)
	for i, v := range map[int]uint64{uvmPageSize: 4096, uvmPages: 1000, uvmFree: 600, uvmActive: 100, uvmInactive: 50} {
		binary.NativeEndian.PutUint64(uvm[8*i:], v)
	}
	pool := make([]byte, 2*poolSize)
	copy(pool, "kcredpl")
	binary.NativeEndian.PutUint64(pool[poolOut:], 12)
	binary.NativeEndian.PutUint64(pool[poolPages:], 3)
	binary.NativeEndian.PutUint64(pool[poolPageSize:], 8192)
	copy(pool[poolSize:], "sixteen-bytes-xx")
	binary.NativeEndian.PutUint64(pool[poolSize+poolOut:], 1)
	c := protocol.Counters{}
	if err := errors.Join(uvmCounters(c, uvm), poolCounters(c, pool)); err != nil {
		t.Fatal(err)
	}
	want := protocol.Counters{kernelPages: 244, "pool kcredpl": 12, "pool sixteen-bytes-xx": 1}
	for k, v := range want {
		if c[k] != v {
			t.Errorf("%s = %d; want %d", k, c[k], v)
		}
	}
	if uvmCounters(c, uvm[:20]) == nil || poolCounters(c, pool[:poolSize+1]) == nil {
		t.Error("a short answer is taken")
	}
}

func FuzzCounters(f *testing.F) {
	f.Add(append([]byte{0, 16}, make([]byte, 8*uvmFields)...), make([]byte, poolSize))
	f.Fuzz(func(t *testing.T, uvm, pool []byte) {
		c := protocol.Counters{}
		if uvmCounters(c, uvm) == nil && len(c) != 2 {
			t.Errorf("uvmCounters gives %v", c)
		}
		if poolCounters(c, pool) == nil && len(c) > 2+len(pool)/poolSize {
			t.Errorf("poolCounters gives %d counters of %d bytes", len(c), len(pool))
		}
	})
}
