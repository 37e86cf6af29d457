//go:build linux || netbsd

package nofile_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/runtime/internal/nofile"
)

// What a copy of this test is to do: give itself the limits and go on as the other one.
const (
	variable = "RUNCELL_TEST_NOFILE"
	limit    = "limit"
	show     = "show"
)

func init() {
	switch os.Getenv(variable) {
	case limit:
		err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 100, Max: 300})
		if err == nil {
			err = syscall.Exec(os.Args[0], os.Args, []string{variable + "=" + show})
		}
		fmt.Println(err)
		os.Exit(1)
	case show:
		l, ok := nofile.Inherited()
		var now syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now)
		fmt.Println(l.Soft, l.Hard, ok, uint64(now.Cur) > l.Soft, err)
		os.Exit(0)
	}
}

// What the caller gave is known, although Go has raised it since.
func TestInherited(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), variable+"="+limit)
	out, err := cmd.CombinedOutput()
	if want := "100 300 true true <nil>\n"; err != nil || string(out) != want {
		t.Errorf("it says %q, %v; want %q", out, err, want)
	}
}
