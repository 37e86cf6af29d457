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

const variable = "RUNCELL_TEST_PRINT_NOFILE"

func init() {
	if os.Getenv(variable) == "" {
		return
	}
	l, ok := nofile.Inherited()
	var now syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now)
	fmt.Println(l.Soft, l.Hard, ok, uint64(now.Cur) > l.Soft, err)
	os.Exit(0)
}

// What the caller gave is known, although Go has raised it since.
func TestInherited(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "ulimit -Sn 100; ulimit -Hn 300; exec "+self)
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.CombinedOutput()
	if want := "100 300 true true <nil>\n"; err != nil || string(out) != want {
		t.Errorf("it says %q, %v; want %q", out, err, want)
	}
}
