package main

// How exec builds a process from the container's own and the flags.

import (
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
)

func TestExecBuildsTheProcess(t *testing.T) {
	own := oci.Process{
		Terminal: true, ConsoleSize: &oci.Size{Height: 1, Width: 1}, Args: []string{"/own"}, Cwd: "/srv",
		Env: []string{"PATH=/bin", "A=0"}, UID: 100, GID: 200, AdditionalGIDs: []uint32{300},
		Rlimits: []oci.Rlimit{{Type: "RLIMIT_NOFILE", Soft: 5, Hard: 5}},
	}
	for _, c := range []struct {
		line string
		want func(p *oci.Process)
	}{
		{"c1 ls", func(*oci.Process) {}},
		{"-t c1 ls", func(p *oci.Process) { p.Terminal = true }},
		{"-u 7 c1 ls", func(p *oci.Process) { p.UID, p.AdditionalGIDs = 7, nil }},
		{"-u 7:8 c1 ls", func(p *oci.Process) { p.UID, p.GID, p.AdditionalGIDs = 7, 8, nil }},
		{"-u 7:8 -g 9 -g 10 c1 ls", func(p *oci.Process) { p.UID, p.GID, p.AdditionalGIDs = 7, 8, []uint32{9, 10} }},
		{"-g 9 c1 ls", func(p *oci.Process) { p.AdditionalGIDs = []uint32{300, 9} }},
		{"-e A=1,2 -e B= c1 ls", func(p *oci.Process) { p.Env = []string{"PATH=/bin", "A=1,2", "B="} }},
		{"--cwd /tmp c1 ls", func(p *oci.Process) { p.Cwd = "/tmp" }},
		{"--no-new-privs c1 ls", func(p *oci.Process) { p.NoNewPrivs = true }},
	} {
		want := own
		want.Args, want.Terminal, want.ConsoleSize = []string{"ls"}, false, nil
		c.want(&want)
		kept := own
		f := &fake{plan: &oci.Plan{Process: &kept}}
		_, stderr, code := f.runcell(t, append([]string{"exec"}, strings.Fields(c.line)...)...)
		if code != 0 {
			t.Errorf("exec %s: %s", c.line, stderr)
			continue
		}
		got := *f.exec.Process
		if len(got.AdditionalGIDs) == 0 {
			got.AdditionalGIDs = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("exec %s = %+v; want %+v", c.line, got, want)
		}
		if !reflect.DeepEqual(kept, own) {
			t.Errorf("exec %s changed the container's plan", c.line)
		}
	}
}

// Whatever the command line, runcell answers in one line and does not panic.
func FuzzCommandLine(f *testing.F) {
	for _, c := range callerLines {
		f.Add(c.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		for _, arg := range args {
			if strings.Contains(arg, "log") || strings.Contains(arg, "lock") || strings.Contains(arg, "restart") || arg == "spec" || arg == "image" || arg == "service" {
				return // these write files, or go on
			}
		}
		fk := &fake{states: someStates()}
		_, stderr, code := fk.runcell(t, args...)
		if code != 0 && (!strings.HasPrefix(stderr, "runcell: ") || strings.Count(stderr, "\n") != 1) {
			t.Errorf("runcell %q: code %d, stderr %q", args, code, stderr)
		}
	})
}
