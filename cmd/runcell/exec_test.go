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

func TestParseUser(t *testing.T) {
	for s, want := range map[string][3]uint32{
		"0": {0, 0, 0}, "1000": {1000, 0, 0}, "0:0": {0, 0, 1}, "1:2": {1, 2, 1}, "4294967294": {4294967294, 0, 0},
	} {
		uid, gid, hasGID, err := parseUser(s)
		if err != nil || uid != want[0] || gid != want[1] || hasGID != (want[2] == 1) {
			t.Errorf("parseUser(%q) = %d, %d, %v, %v; want %v", s, uid, gid, hasGID, err, want)
		}
	}
	for _, s := range []string{
		"", ":", "1:", ":1", "1:2:3", "root", "1:wheel", "-1", "+1", " 1", "1 ", "01", "0x1", "1e3", "1_0",
		"4294967295", "4294967296", "18446744073709551616", "1:4294967295", "1\x00", "١",
	} {
		if uid, gid, _, err := parseUser(s); err == nil {
			t.Errorf("parseUser(%q) = %d:%d; want an error", s, uid, gid)
		}
	}
}

// What is accepted means exactly what it says, written back digit by digit.
func FuzzParseUser(f *testing.F) {
	for _, s := range []string{"0", "1:2", "01", "-1", "4294967295", "root", "1:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uid, gid, hasGID, err := parseUser(s)
		if err != nil {
			return
		}
		back := oci.Process{UID: uid, GID: gid}
		want := decimal(back.UID)
		if hasGID {
			want += ":" + decimal(back.GID)
		}
		if want != s {
			t.Errorf("parseUser(%q) means %q", s, want)
		}
	})
}

func decimal(n uint32) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + string(rune('0'+n%10))
}

// A variable is there once, with the value given last.
func FuzzSetEnv(f *testing.F) {
	f.Add("A=0", "A=1")
	f.Add("AB=0", "A=1=2")
	f.Add("", "=x")
	f.Fuzz(func(t *testing.T, old, set string) {
		env, err := setEnv([]string{old}, []string{set})
		if err != nil {
			return
		}
		name, _, _ := strings.Cut(set, "=")
		n := 0
		for _, v := range env {
			if strings.HasPrefix(v, name+"=") {
				n++
			}
		}
		if n != 1 || env[len(env)-1] != set {
			t.Errorf("setEnv(%q, %q) = %q", old, set, env)
		}
	})
}

// Whatever the command line, runcell answers in one line and does not panic.
func FuzzCommandLine(f *testing.F) {
	for _, c := range callerLines {
		f.Add(c.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		for _, arg := range args {
			if strings.Contains(arg, "log") || arg == "spec" || arg == "image" {
				return // these write files
			}
		}
		fk := &fake{states: someStates()}
		_, stderr, code := fk.runcell(t, args...)
		if code != 0 && (!strings.HasPrefix(stderr, "runcell: ") || strings.Count(stderr, "\n") != 1) {
			t.Errorf("runcell %q: code %d, stderr %q", args, code, stderr)
		}
	})
}
