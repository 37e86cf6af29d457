// The sweep around the tests of a package.

package imagetest

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

// temporaries are the names of what the packages put into TMPDIR.
const temporaries = "runcell-image-*"

// Main is what a package's TestMain calls. It runs the tests and then sweeps
// for what they must not leave: descriptors, goroutines, temporary files. It
// does not return: the exit status is 1 if something was left.
func Main(m *testing.M) {
	if os.Getenv(ChildVar) != "" {
		os.Exit(m.Run())
	}
	temps, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaries))
	before := openFiles()
	status := m.Run()
	if status == 0 {
		var left []string
		for end := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			left = sweep(before, temps)
			if len(left) == 0 || time.Now().After(end) {
				break
			}
		}
		for _, l := range left {
			fmt.Fprintln(os.Stderr, "left behind:", l)
			status = 1
		}
	}
	os.Exit(status)
}

func sweep(files, temps []string) (left []string) {
	for _, f := range openFiles() {
		if !slices.Contains(files, f) {
			left = append(left, "open file "+f)
		}
	}
	now, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaries))
	for _, f := range now {
		if !slices.Contains(temps, f) {
			left = append(left, "temporary file "+f)
		}
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
