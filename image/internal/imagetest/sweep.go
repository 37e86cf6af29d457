package imagetest

// The sweep around the tests of a package.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// ChildVar marks the test binary run again as another user: its value is the
// directory that user may use. Such a run is not swept.
const ChildVar = "RUNCELL_IMAGE_TEST_CHILD"

// Main is what a package's TestMain calls. It runs the tests and then sweeps
// for what they must not leave: descriptors, goroutines, temporary files. It
// does not return: the exit status is 1 if something was left. TMPDIR is the
// package's own, so that it sees nothing of the others'.
func Main(m *testing.M) {
	if os.Getenv(ChildVar) != "" {
		os.Exit(m.Run())
	}
	if err := apart(); err != nil {
		fmt.Fprintln(os.Stderr, "run the tests with mounts of their own:", err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "imagetest-")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a directory for the tests:", err)
		os.Exit(1)
	}
	status := runAndSweep(m)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "left behind:", err)
		status = 1
	}
	os.Exit(status)
}

func runAndSweep(m *testing.M) (status int) {
	before := openFiles()
	if status = m.Run(); status != 0 {
		return status
	}
	var left []string
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left = sweep(before)
		if len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	for _, l := range left {
		fmt.Fprintln(os.Stderr, "left behind:", l)
		status = 1
	}
	return status
}

func sweep(files []string) (left []string) {
	for _, f := range openFiles() {
		if !slices.Contains(files, f) {
			left = append(left, "open file "+f)
		}
	}
	temps, _ := filepath.Glob(filepath.Join(os.TempDir(), "runcell-image-*"))
	for _, f := range temps {
		left = append(left, "temporary file "+f)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if bytes.Contains(stacks, []byte("stream.(*Ahead).")) || bytes.Contains(stacks, []byte("zstd.(*Decoder)")) {
		left = append(left, "goroutine:\n"+string(stacks))
	}
	return left
}

// openFiles lists the regular files and directories this process holds open.
func openFiles() (list []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/proc/") {
			list = append(list, target)
		}
	}
	return list
}
