package harness

import (
	"bytes"
	"strings"
	"testing"
)

// recordSuite has the cases of sample, and one that is younger.
var recordSuite = &Suite{
	Name: "runtime",
	Cases: []Case{
		{Name: "kill/a", Clause: "runtime.md Kill", Does: "kills # one | two"},
		{Name: "kill/b", Clause: "runtime.md Kill", Does: "kills all"},
		{Name: "list/c", Clause: "containerd", Does: "lists"},
		{Name: "list/young", Clause: "containerd", Does: "lists"},
	},
	Expected: Expected{"other": {"kill/b": "it is another system"}},
}

func TestRecord(t *testing.T) {
	var tap bytes.Buffer
	p := NewTAP(&tap)
	p.Tested(Target{Name: "other", Version: "NetBSD 10 amd64"})
	for _, r := range sample().Results[:3] {
		r.Runtime = "other"
		p.Print(r)
	}
	p.Print(Result{Runtime: "other", Case: "gone/case", Does: "x", Clause: "y", Outcome: Pass})
	p.Close(Summary{})
	rec, err := ReadRecord(strings.NewReader("booting\n" + tap.String()))
	if err != nil {
		t.Fatal(err)
	}
	report := sample()
	rec.Append(report, recordSuite)
	var table bytes.Buffer
	if err := Table(&table, report); err != nil {
		t.Fatal(err)
	}
	golden(t, "record.md", table.Bytes())
}

func TestReadRecordRefuses(t *testing.T) {
	const head, line = "# tested: a b\n", "ok 1 - a: x/y: does [c]\n"
	for name, in := range map[string]string{
		"empty":          "",
		"no head":        line,
		"two heads":      head + head,
		"another's line": head + "ok 1 - b: x/y: does [c]\n",
		"a case twice":   head + line + line,
	} {
		if rec, err := ReadRecord(strings.NewReader(in)); err == nil {
			t.Errorf("%s: ReadRecord = %+v; want an error", name, rec)
		}
	}
}

func FuzzReadRecord(f *testing.F) {
	f.Add("# tested: a b\nok 1 - a: x/y: does \\# [c] # SKIP needs it\nnot ok 2 - a: x/z: d [c]\n")
	f.Fuzz(func(t *testing.T, in string) {
		rec, err := ReadRecord(strings.NewReader(in))
		if err == nil && rec.Runtime == "" {
			t.Errorf("a record of nothing")
		}
	})
}
