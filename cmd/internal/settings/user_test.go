package settings

import (
	"strings"
	"testing"
)

func TestParseUser(t *testing.T) {
	for s, want := range map[string][3]uint32{
		"0": {0, 0, 0}, "1000": {1000, 0, 0}, "0:0": {0, 0, 1}, "1:2": {1, 2, 1}, "4294967294": {4294967294, 0, 0},
	} {
		uid, gid, hasGID, err := ParseUser(s)
		if err != nil || uid != want[0] || gid != want[1] || hasGID != (want[2] == 1) {
			t.Errorf("ParseUser(%q) = %d, %d, %v, %v; want %v", s, uid, gid, hasGID, err, want)
		}
	}
	for _, s := range []string{
		"", ":", "1:", ":1", "1:2:3", "root", "1:wheel", "-1", "+1", " 1", "1 ", "01", "0x1", "1e3", "1_0",
		"4294967295", "4294967296", "18446744073709551616", "1:4294967295", "1\x00", "١",
	} {
		if uid, gid, _, err := ParseUser(s); err == nil {
			t.Errorf("ParseUser(%q) = %d:%d; want an error", s, uid, gid)
		}
	}
}

// What is accepted means exactly what it says, written back digit by digit.
func FuzzParseUser(f *testing.F) {
	for _, s := range []string{"0", "1:2", "01", "-1", "4294967295", "root", "1:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uid, gid, hasGID, err := ParseUser(s)
		if err != nil {
			return
		}
		want := decimal(uid)
		if hasGID {
			want += ":" + decimal(gid)
		}
		if want != s {
			t.Errorf("ParseUser(%q) means %q", s, want)
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
		env, err := SetEnv([]string{old}, []string{set})
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
			t.Errorf("SetEnv(%q, %q) = %q", old, set, env)
		}
	})
}
