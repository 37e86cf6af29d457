package imagetest

// Programs of others.

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// RunTool runs a program and gives what it prints; the test fails if it does.
func RunTool(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	cmd := exec.Command(name, args...)
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		var e *exec.ExitError
		if errors.As(err, &e) {
			stderr = string(e.Stderr)
		}
		tb.Fatalf("%s %s: %v\n%s%s\n(these tests need Debian's skopeo, umoci, buildah and busybox-static)", name, strings.Join(args, " "), err, out, stderr)
	}
	return string(out)
}
