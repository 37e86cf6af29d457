package owned

// What Linux tells of one's own: a subreaper's processes become its children,
// whoever started them; a process may have a mount table of its own.

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// mountPoints reads the table of the calling process's mount namespace (proc(5)).
func mountPoints() []string {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		panic(err) // who can't see must not say that nothing is left
	}
	var points []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 {
			points = append(points, f[4])
		}
	}
	return points
}

// Processes lists the children of this process, with their command lines.
// Those of a subreaper are all that was left below it.
func Processes() map[int]string {
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
	if len(files) == 0 {
		panic("/proc/self/task has no children files: this kernel lacks CONFIG_PROC_CHILDREN, or /proc is not mounted")
	}
	var pids []int
	for _, file := range files {
		b, _ := os.ReadFile(file) // a thread may have ended
		for _, s := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(s); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// Kill kills the processes that were not there before, and theirs, which
// become children of this process in turn.
func Kill(before map[int]string) {
	for range 50 {
		left := false
		for _, pid := range children() {
			if _, old := before[pid]; !old {
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
