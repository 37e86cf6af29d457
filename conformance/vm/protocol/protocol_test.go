package protocol

import (
	"reflect"
	"strings"
	"testing"
)

func TestFrameRoundTrip(t *testing.T) {
	for _, f := range []Frame{
		{1, Hello, Encode(Machine{System: "NetBSD", CPUs: 2})},
		{2, Out, "ok 1 - ünïcode # SKIP"},
		{3, Alive, ""},
		{987654, Bye, "  "},
	} {
		got, found, err := ParseFrame(f.String() + "\r\n")
		if err != nil || !found || got != f {
			t.Errorf("ParseFrame(%q) = %v, %v, %v; want %v", f.String(), got, found, err, f)
		}
	}
}

func TestParseFrameDamaged(t *testing.T) {
	good := Frame{7, Out, "ok 3 - something"}.String()
	for name, line := range map[string]string{
		"kernel message inside":  good[:15] + "wd0: soft error" + good[15:],
		"kernel message before":  "wd0: soft" + good,
		"cut":                    good[:len(good)-1],
		"only the mark":          mark,
		"no text":                mark + checksum("7 out") + " 7 out",
		"unknown kind":           Frame{7, "outt", ""}.String(),
		"number zero":            Frame{0, Out, ""}.String(),
		"number is not a number": mark + checksum("x out y") + " x out y",
	} {
		if f, found, err := ParseFrame(line); err == nil || !found {
			t.Errorf("%s: ParseFrame(%q) = %v, %v, nil; want an error", name, line, f, found)
		}
	}
	if _, found, err := ParseFrame("wd0 at atabus0 drive 0"); found || err != nil {
		t.Errorf("a kernel's message = %v, %v; want no frame and no error", found, err)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\r\n":                      "plain",
		"a\x1evm b":                      "a?vm b",
		"tab\tstays":                     "tab\tstays",
		"bad \xff utf-8":                 "bad ? utf-8",
		strings.Repeat("x", MaxText+100): strings.Repeat("x", MaxText),
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%.20q) = %.20q; want %.20q", in, got, want)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(Frame{1, Out, "ok 1"}.String())
	f.Add(mark + "00000000 1 out x")
	f.Add("uvm_fault(0xffffffff80c0, 0x0, 1) -> e")
	f.Fuzz(func(t *testing.T, line string) {
		frame, found, err := ParseFrame(line)
		if err != nil || !found {
			return
		}
		again, found, err := ParseFrame(frame.String())
		if err != nil || !found || again != frame {
			t.Errorf("ParseFrame(%q) = %v, which reads as %v, %v", line, frame, again, err)
		}
	})
}

func TestParsePlan(t *testing.T) {
	want := &Plan{Hostname: "cells", Steps: []Step{
		{Name: "load", Do: ModLoad, Args: []string{"/stand/x.kmod"}, Must: true},
		{Name: "suite", Do: Exec, Args: []string{"/vm/conformance"}, Timeout: 60, TAP: true, Round: 1},
	}}
	got, err := ParsePlan([]byte(Encode(want)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParsePlan = %+v, %v; want %+v", got, err, want)
	}
}

func TestParsePlanRefuses(t *testing.T) {
	for in, want := range map[string]string{
		`{`:                          "read plan",
		`{"steps":[]}`:               "no steps",
		`{"steps":[{"do":"count"}]}`: "no name",
		`{"steps":[{"name":"a","do":"exec","args":["/x"]}]}`:              "timeout in seconds",
		`{"steps":[{"name":"a","do":"exec","timeout":5}]}`:                "exec needs args",
		`{"steps":[{"name":"a","do":"modload"}]}`:                         "exactly one argument",
		`{"steps":[{"name":"a","do":"format"}]}`:                          "known are",
		`{"steps":[{"name":"a","do":"count","tap":true}]}`:                "only a program",
		`{"steps":[{"name":"a","do":"count"},{"name":"a","do":"count"}]}`: "same name",
	} {
		if _, err := ParsePlan([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePlan(%s) = %v; want %q", in, err, want)
		}
	}
}

func TestFirstOf(t *testing.T) {
	p := &Plan{Steps: make([]Step, 2)}
	for _, bad := range []string{"", "1", "x\n", "-1\n", "2\n", "\n", strings.Repeat("\x00", SectorSize)} {
		if n, err := p.FirstOf([]byte(bad)); err == nil {
			t.Errorf("FirstOf(%.10q) = %d; want an error", bad, n)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add([]byte(`{"steps":[{"name":"a","do":"exec","args":["/x"],"timeout":5}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePlan(b)
		if err != nil {
			return
		}
		again, err := ParsePlan([]byte(Encode(p)))
		if err != nil || len(again.Steps) != len(p.Steps) {
			t.Errorf("ParsePlan(%q) gives a plan that is refused: %v", b, err)
		}
	})
}
