// Package owned tells what of this machine is the caller's. Others use the
// machine too: their mounts, processes and control groups come and go, and say
// nothing about a test. So no function here gives what the whole machine has:
// each takes a mark of the caller's, a directory or names, or begins at the
// calling process.
package owned

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Within says whether a path is a directory or below it; both are clean.
func Within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// Mounts lists the mount points at or below one of the directories, in the
// calling process's table, a point as often as something is mounted there.
// "/" is for a process whose table is its own.
func Mounts(dirs ...string) []string {
	return slices.DeleteFunc(mountPoints(), func(point string) bool {
		return !slices.ContainsFunc(dirs, func(dir string) bool { return Within(point, dir) })
	})
}

// More gives the elements of after that before has not, counting repeats: a
// second mount on the same point is one more.
func More(before, after []string) []string {
	count := map[string]int{}
	for _, s := range before {
		count[s]++
	}
	var more []string
	for _, s := range after {
		if count[s]--; count[s] < 0 {
			more = append(more, s)
		}
	}
	return more
}

// cgroupRoot is where every hierarchy is mounted.
const cgroupRoot = "/sys/fs/cgroup"

// Cgroups lists the control groups with one of the marks in their name, but
// none below hidden. A mark is no part of another's: it ends in a letter, or
// is a whole name.
func Cgroups(marks []string, hidden ...string) []string {
	var found []string
	_ = filepath.WalkDir(cgroupRoot, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir(): // it went meanwhile
			return nil
		case slices.Contains(hidden, path):
			return fs.SkipDir
		case slices.ContainsFunc(marks, func(m string) bool { return strings.Contains(d.Name(), m) }):
			found = append(found, path)
			return fs.SkipDir
		}
		return nil
	})
	return found
}

// RemoveCgroups removes what Cgroups finds, innermost first.
func RemoveCgroups(marks []string) {
	for _, top := range Cgroups(marks) {
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
