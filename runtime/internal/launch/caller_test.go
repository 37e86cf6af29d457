package launch

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

func TestPidFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "pid")
	// A leftover of a killed command does not stop the next one.
	if err := os.WriteFile(filepath.Join(filepath.Dir(p), ".pid.new"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePidFile(p, 4711); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(p); string(b) != "4711" {
		t.Errorf("pid file = %q, %v; want digits and no newline", b, err)
	}
}

// What a caller can't have is refused before anything is made.
func TestCallerIsChecked(t *testing.T) {
	for _, c := range []struct {
		name     string
		caller   Caller
		terminal bool
		want     string
	}{
		{"nothing", Caller{}, false, ""},
		{"relayed terminal", Caller{}, true, ""},
		{"terminal for a socket", Caller{ConsoleSocket: "/s", Detach: true}, true, ""},
		{"socket without a terminal", Caller{ConsoleSocket: "/s"}, false, "process.terminal is false"},
		{"less than no descriptors", Caller{PreserveFDs: -1}, false, "--preserve-fds -1"},
		{"more than there can be", Caller{PreserveFDs: math.MaxInt}, false, "give a number from 0 to 1048576"},
		{"as many as overflow", Caller{PreserveFDs: math.MaxInt - stdio + 1}, false, "give a number from 0 to 1048576"},
		{"terminal for nobody", Caller{Detach: true}, true, "--console-socket is needed"},
	} {
		err := c.caller.Check(&oci.Process{Terminal: c.terminal})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Check = %v; want %q", c.name, err, c.want)
		}
	}
}

// A descriptor that the caller names but does not have is its mistake.
func TestMissingDescriptorIsNamed(t *testing.T) {
	const many = 1 << 12
	err := Caller{PreserveFDs: many}.checkPreserved()
	if err == nil || !strings.Contains(err.Error(), "--preserve-fds 4096: descriptor ") {
		t.Errorf("checkPreserved = %v; want the first descriptor that is missing", err)
	}
}

// What closes with an exec never came from the caller: it is our own.
func TestOwnDescriptorIsNotPreserved(t *testing.T) {
	var own [2]int
	if err := unix.Pipe2(own[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(own[0]), unix.Close(own[1]) }()
	err := Caller{PreserveFDs: own[1] - stdio + 1}.checkPreserved()
	if !errors.Is(err, unix.EBADF) {
		t.Errorf("checkPreserved up to our own descriptor %d = %v; want EBADF", own[1], err)
	}
}
