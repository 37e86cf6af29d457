package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var programDir string

// built has what the bench measures: runcell and, beside it, the others.
var built = sync.OnceValues(func() (runcell string, err error) {
	out, err := exec.Command("go", "build", "-o", programDir+"/", "../../cmd/runcell", "../../cmd/runcell-image", "../../cmd/containerd-shim-runcell-v1").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return filepath.Join(programDir, "runcell"), nil
})

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "runcell-bench-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if err := os.RemoveAll(programDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}
