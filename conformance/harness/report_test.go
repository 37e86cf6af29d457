package harness

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update writes it):\n%s", path, got)
	}
}

// sample has a result of every outcome.
func sample() *Report {
	r := &Report{
		Suite:    "runtime",
		Intro:    "Each case names the clause of runtime-spec 1.3 that it tests, or the caller whose contract it is.",
		Runtimes: []Target{{Name: "one", Version: "1.2.3", Path: "/usr/bin/one"}, {Name: "two", Path: "/usr/bin/two"}},
		Results: []Result{
			{Runtime: "one", Case: "kill/a", Clause: "runtime.md Kill", Does: "kills # one | two", Outcome: Pass, Seconds: 1.5},
			{Runtime: "one", Case: "kill/b", Clause: "runtime.md Kill", Does: "kills all", Outcome: Fail, Message: []string{"want \"a\": b", "line\nbreak"}, Leaks: []string{"mount: DIR/mnt"}, Log: []string{"`kill` = 1"}},
			{Runtime: "one", Case: "list/c", Clause: "containerd", Does: "lists", Outcome: Skip, Reason: "needs plan9"},
			{Runtime: "two", Case: "kill/a", Clause: "runtime.md Kill", Does: "kills # one | two", Outcome: Known, Reason: "too\nold", Message: []string{"it did not"}, Log: []string{"`kill` = 1"}},
			{Runtime: "two", Case: "kill/b", Clause: "runtime.md Kill", Does: "kills all", Outcome: Fixed, Reason: "was old"},
			{Runtime: "two", Case: "kill/d", Clause: "runtime.md Kill", Does: "kills at once", Outcome: Fixed, Reason: "it races" + Sometimes},
			{Runtime: "two", Case: "list/c", Clause: "containerd", Does: "lists", Outcome: Skip, Reason: "needs plan9"},
		},
	}
	for _, result := range r.Results {
		r.Summary.Add(result)
	}
	return r
}

func TestTAP(t *testing.T) {
	var b bytes.Buffer
	r, tap := sample(), NewTAP(&b)
	for _, result := range r.Results {
		tap.Print(result)
	}
	tap.Close(r.Summary)
	golden(t, "sample.tap", b.Bytes())
}

func TestTAPOneLineEach(t *testing.T) {
	var b bytes.Buffer
	NewTAP(&b).Print(Result{Runtime: "r", Case: "a/b", Does: "line\nbreak # TODO \\", Clause: "c", Outcome: Pass})
	want := "TAP version 14\nok 1 - r: a/b: line break \\# TODO \\\\ [c]\n"
	if got := b.String(); got != want {
		t.Errorf("Print gave %q; want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	r := sample()
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Summary != (Summary{Passed: 3, Failed: 1, Skipped: 2, Known: 1, Fixed: 2}) || len(got.Results) != 7 {
		t.Errorf("Write gave summary %+v, %d results", got.Summary, len(got.Results))
	}
	if got.Results[1].Message[1] != "line\nbreak" || got.Results[0].Clause != "runtime.md Kill" {
		t.Errorf("Write gave %+v", got.Results)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, sample()); err != nil {
		t.Fatal(err)
	}
	golden(t, "sample.md", b.Bytes())
	if strings.Contains(b.String(), "/usr/bin") {
		t.Errorf("the table has a path of this host")
	}
}

// A suite that compares: the yardstick runs first, and what another runtime
// shows otherwise fails, unless its own outcome is no pass.
func TestCompare(t *testing.T) {
	r := &Run{Suite: &Suite{Compares: true}, Targets: []Target{{Name: "new"}, {Name: "old", Peer: true}}}
	if order := r.order(); order[0].Name != "old" || order[1].Name != "new" || r.Targets[0].Name != "new" {
		t.Errorf("order() = %v, targets %v", order, r.Targets)
	}
	reference := map[string]Result{}
	for _, c := range []struct {
		result Result
		want   Outcome
	}{
		{Result{Runtime: "old", Case: "a", Outcome: Pass, Shown: []string{"x", "y"}}, Pass},
		{Result{Runtime: "new", Case: "a", Outcome: Pass, Shown: []string{"x", "y"}}, Pass},
		{Result{Runtime: "new", Case: "a", Outcome: Pass, Shown: []string{"x"}}, Fail},
		{Result{Runtime: "new", Case: "a", Outcome: Skip}, Skip},
		{Result{Runtime: "old", Case: "b", Outcome: Fail}, Fail},
		{Result{Runtime: "new", Case: "b", Outcome: Pass, Shown: []string{"z"}}, Pass},
	} {
		r.compare(reference, &c.result)
		if c.result.Outcome != c.want || (c.want == Fail && c.result.Case == "a") != (len(c.result.Message) == 1) {
			t.Errorf("%s of %s: %s %q; want %s", c.result.Case, c.result.Runtime, c.result.Outcome, c.result.Message, c.want)
		}
	}
}
