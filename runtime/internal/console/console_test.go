package console

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// A socket is reached by a path of any length, and the working directory is
// what it was.
func TestDial(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{10, 120, 240} {
		dir := filepath.Join(t.TempDir(), strings.Repeat("d", length))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir(dir) // to be able to listen there
		l, err := net.Listen("unix", "s")
		if err != nil {
			t.Fatal(err)
		}
		t.Chdir(before)
		fd, err := Dial(t.Context(), "--console-socket", filepath.Join(dir, "s"))
		if err != nil {
			t.Errorf("Dial with %d bytes more: %v", length, err)
		}
		sys.CloseFD(fd)
		if now, err := os.Getwd(); err != nil || now != before {
			t.Errorf("the working directory is %s, %v; want %s", now, err, before)
		}
		_ = l.Close()
	}
	if _, err := Dial(t.Context(), "--console-socket", filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "--console-socket") {
		t.Errorf("Dial of nothing = %v; want the flag named", err)
	}
}

// A size that the config leaves out is not set, on whatever the descriptor is.
func TestNoSize(t *testing.T) {
	for _, s := range []*oci.Size{nil, {}} {
		if err := SetSize(-1, s); err != nil {
			t.Errorf("SetSize(%v) = %v", s, err)
		}
		if steps := SizeSteps(s); steps != nil {
			t.Errorf("SizeSteps(%v) = %v", s, steps)
		}
	}
	if err := SetSize(-1, &oci.Size{Height: 1, Width: 1}); err == nil || !strings.Contains(err.Error(), "process.consoleSize") {
		t.Errorf("SetSize of no terminal = %v; want the field named", err)
	}
}
