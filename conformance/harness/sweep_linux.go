// What Linux offers for finding leftovers: the worker is a subreaper, so a
// process that was left is its child; it has a mount namespace of its own, so
// a mount that was left is in its table.

package harness

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// mountPoints lists the mount points of this mount namespace.
func mountPoints() []string {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	var points []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 {
			points = append(points, f[4])
		}
	}
	return points
}

// processes lists the children of this process, with what they are.
func processes() map[int]string {
	found := map[int]string{}
	for _, pid := range children() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		command := strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " "))
		if command == "" {
			comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			if err != nil {
				continue // it ended meanwhile
			}
			command = "[" + strings.TrimSpace(string(comm)) + "]"
		}
		found[pid] = command
	}
	return found
}

func children() []int {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	var pids []int
	for _, file := range files {
		b, _ := os.ReadFile(file)
		for _, s := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(s); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// killLeft kills the children that were not there before, and theirs, which
// become children of this process in turn.
func killLeft(before snapshot) {
	for range 50 {
		left := false
		for _, pid := range children() {
			if _, old := before.processes[pid]; !old {
				left = true
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if !left {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cgroupsNamed lists the control groups with one of names in their name; where
// cgroup2 is hidden, a plain directory is in its place.
func cgroupsNamed(names []string, hidden bool) []string {
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case !d.IsDir():
			return nil
		case hidden && path == unified:
			return fs.SkipDir
		case slices.ContainsFunc(names, func(n string) bool { return strings.Contains(d.Name(), n) }):
			found = append(found, path)
			return fs.SkipDir
		}
		return nil
	})
	return found
}

// removeCgroups removes what cgroupsNamed found, innermost first, so that a
// runtime's leak does not become the host's.
func removeCgroups(names []string) {
	for _, top := range cgroupsNamed(names, false) {
		var dirs []string
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			_ = os.Remove(dir)
		}
	}
}

// Resident counts the caller's children beside its own commands: what a
// runtime leaves running for a container, and the container's process.
func (t *T) Resident() []string {
	var left []string
	for pid, what := range processes() {
		t.reaper.mu.Lock()
		own := t.reaper.own[pid]
		t.reaper.mu.Unlock()
		if !own {
			left = append(left, what)
		}
	}
	return left
}
