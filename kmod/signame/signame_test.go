package signame

import (
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{"TERM", "SIGKILL", "9", "-1", "65", "", "sigusr1", "SIGRTMIN+3", "rtmax-1", "RTMIN+", "999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := Parse(s)
		switch {
		case err != nil:
		case sig < 0 || sig > Last:
			t.Errorf("Parse(%q) = %d", s, sig)
		case sig > 0 != Known(s):
			t.Errorf("Parse(%q) = %d, and Known says %v", s, sig, Known(s))
		}
	})
}

func TestParse(t *testing.T) {
	for s, want := range map[string]syscall.Signal{
		"TERM": 15, "sigterm": 15, "SIGKILL": 9, "9": 9, "0": 0, "34": 34, "HUP": 1, strconv.Itoa(Last): Last,
		"IOT": unix.SIGABRT, "ABRT": unix.SIGABRT, "sigcld": unix.SIGCHLD, "POLL": unix.SIGIO,
		"SIGRTMIN": firstRealtime, "rtmin+0": firstRealtime, "SIGRTMIN+3": firstRealtime + 3, "RTMIN+30": lastRealtime,
		"SIGRTMAX": Last, "RtMax-1": Last - 1, "RTMAX-30": firstRealtime,
	} {
		if got, err := Parse(s); got != want || err != nil {
			t.Errorf("Parse(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "NOPE", "-1", strconv.Itoa(Last + 1), "SIG", "9x", " TERM", "SIGSIGTERM", "15 ",
		"RTMIN+", "RTMIN3", "RTMIN-1", "RTMIN++1", "RTMIN+-1", "RTMIN+31", "RTMIN+1x", "RTMIN+99999999999999999999", "RTMAX+1", "RTMAX-31", "RTMAX-", "RTMID",
	} {
		if got, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %d; want an error", s, got)
		}
	}
}

func TestKnown(t *testing.T) {
	for s, want := range map[string]bool{
		"SIGINT": true, "1": true, "64": true, "SIGINFO": true, "SIGPWR": true, "winch": true, "SIGSTKFLT": true, "EMT": true, "SIGSYS": true, "io": true, "SIGRTMIN+3": true,
		"0": false, "65": false, "-9": false, "NOPE": false, "": false, "SIG": false, "RTMIN+31": false,
	} {
		if got := Known(s); got != want {
			t.Errorf("Known(%q) is %v", s, got)
		}
	}
}
