package owned

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMounts mounts below a directory that is the test's, and below one that
// is not.
func TestMounts(t *testing.T) {
	mine, theirs := t.TempDir(), t.TempDir()
	for _, dir := range []string{mine, mine, theirs} {
		if err := unix.Mount("devpts", dir, "devpts", 0, "newinstance"); err != nil {
			t.Fatalf("mount (root is needed): %v", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	if got := Mounts(mine); !slices.Equal(got, []string{mine, mine}) {
		t.Errorf("Mounts = %q; want %s twice", got, mine)
	}
	if all := Mounts("/"); !slices.Contains(all, theirs) || !slices.Contains(all, mine) {
		t.Errorf("Mounts(/) = %q; want all", all)
	}
}

// TestProcesses starts a child, and a process that is nobody's it knows.
func TestProcesses(t *testing.T) {
	child := exec.Command("/bin/sleep", "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = child.Process.Kill(), child.Wait() }()
	out, err := exec.Command("/bin/sh", "-c", "/bin/sleep 600 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Kill(orphan, unix.SIGKILL) }()
	got := Processes()
	if got[child.Process.Pid] != "/bin/sleep 600" {
		t.Errorf("Processes = %v; want the child %d in it", got, child.Process.Pid)
	}
	if what, ok := got[orphan]; ok {
		t.Errorf("Processes has %d, %q, whose parent is another", orphan, what)
	}
}

// hierarchy finds a cgroup hierarchy of either version that takes directories.
func hierarchy(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"pids", "unified", "."} {
		if dir = filepath.Join(cgroupRoot, dir); exists(filepath.Join(dir, "cgroup.procs")) {
			return dir
		}
	}
	t.Fatalf("find a cgroup hierarchy: none below %s", cgroupRoot)
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func TestCgroups(t *testing.T) {
	dir, mark := hierarchy(t), fmt.Sprintf("mine%dx", os.Getpid())
	mine := filepath.Join(dir, mark+"-1")
	theirs := filepath.Join(dir, fmt.Sprintf("theirs%dx", os.Getpid()))
	for _, path := range []string{mine, filepath.Join(mine, "below"), theirs} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(path) })
	}
	if got := Cgroups([]string{mark}); !slices.Equal(got, []string{mine}) {
		t.Errorf("Cgroups = %q; want %s", got, mine)
	}
	if got := Cgroups([]string{mark}, dir); len(got) > 0 {
		t.Errorf("Cgroups = %q; want none: %s is hidden", got, dir)
	}
	RemoveCgroups([]string{mark})
	if exists(mine) || !exists(theirs) {
		t.Errorf("after RemoveCgroups, %s is there: %v; %s: %v", mine, exists(mine), theirs, exists(theirs))
	}
}
