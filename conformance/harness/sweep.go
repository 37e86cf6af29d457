package harness

// Leak detection: what a case must not leave behind once every container is
// deleted. What others have on the machine is not looked at, see package owned.

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/conformance/owned"
)

// snapshot is what the case had before it began.
type snapshot struct {
	mounts    []string
	processes map[int]string
}

func (t *T) takeSnapshot() { t.before = snapshot{mounts: t.mounts(), processes: owned.Processes()} }

// patience is how long leftovers may take to go: a killed process dies
// shortly after the call that killed it has returned.
const patience = 2 * time.Second

// Leftovers lists what the case has now and would not be left, for a case that
// looks in between.
func (t *T) Leftovers() []string { return t.leftovers() }

// Sweep takes away what is left, so that a case that found it can go on.
func (t *T) Sweep() {
	owned.Kill(t.before.processes)
	owned.RemoveCgroups(t.marks())
	for _, dir := range t.trackedIDs() {
		_ = os.RemoveAll(filepath.Join(t.Root, dir))
	}
}

// sweep lists what is left, and kills the processes among it.
func (t *T) sweep() []string {
	var leaks []string
	for deadline := time.Now().Add(t.Limit(patience)); ; time.Sleep(20 * time.Millisecond) {
		leaks = t.leftovers()
		if len(leaks) == 0 || time.Now().After(deadline) {
			break
		}
	}
	owned.Kill(t.before.processes)
	owned.RemoveCgroups(t.marks())
	for i, leak := range leaks {
		leaks[i] = strings.ReplaceAll(strings.ReplaceAll(leak, t.Dir, "DIR"), t.Token, "ID")
	}
	return leaks
}

func (t *T) leftovers() []string {
	var leaks []string
	for pid, what := range owned.Processes() {
		if t.before.processes[pid] != what {
			leaks = append(leaks, "process: "+what)
		}
	}
	for _, m := range t.NewMounts() {
		leaks = append(leaks, "mount: "+m)
	}
	for _, dir := range owned.Cgroups(t.marks(), t.hiddenCgroups()...) {
		leaks = append(leaks, "cgroup: "+dir)
	}
	for _, dir := range append([]string{t.Root}, defaultRoots(t.Target.Name)...) {
		for _, path := range FilesNaming(dir, t.trackedIDs()) {
			leaks = append(leaks, "state: "+path)
		}
	}
	for _, b := range t.bundles {
		leaks = append(leaks, b.leftovers()...)
	}
	slices.Sort(leaks)
	return leaks
}

// NewMounts lists the mount points that the case has and had not when it began.
func (t *T) NewMounts() []string { return owned.More(t.before.mounts, t.mounts()) }

// unmistakable is the length above which an id is no part of any other text;
// one such as "0" may be.
const unmistakable = 8

// marks are what the case's control groups are recognized by.
func (t *T) marks() []string {
	marks := []string{t.Token}
	for _, id := range t.trackedIDs() {
		if len(id) > unmistakable && !strings.Contains(id, t.Token) {
			marks = append(marks, id)
		}
	}
	return marks
}

// leftovers lists entries of the bundle that the case did not make. Mount
// points made in the root filesystem belong to the image's owner.
func (b *Bundle) leftovers() []string {
	entries, _ := os.ReadDir(b.Dir)
	var left []string
	for _, e := range entries {
		if !b.known[e.Name()] {
			left = append(left, "bundle: "+filepath.Join(b.Dir, e.Name()))
		}
	}
	return left
}

// Files lists the files below a directory, other than directories.
func Files(dir string) []string {
	var found []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// FilesNaming lists what names one of the ids below a state directory, in
// its path or, for small files, in its content. A runtime may keep files of
// its own there, such as a lock, as long as they know no deleted container.
func FilesNaming(dir string, ids []string) []string {
	const small = 1 << 20
	var found []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return nil
		}
		relative, _ := filepath.Rel(dir, path)
		var content []byte
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() && info.Size() < small {
			content, _ = os.ReadFile(path)
		}
		for _, id := range ids {
			named := slices.Contains(strings.Split(relative, string(filepath.Separator)), id)
			// Of a short id only a whole name counts.
			if named || len(id) > unmistakable && (strings.Contains(relative, id) || bytes.Contains(content, []byte(id))) {
				found = append(found, path)
				break
			}
		}
		return nil
	})
	return found
}

// defaultRoots are where a runtime keeps its state without --root. What follows
// a minus sign in its name tells where it was run.
func defaultRoots(name string) []string {
	name, _, _ = strings.Cut(name, "-")
	return []string{filepath.Join("/run", name), filepath.Join("/var/run", name)}
}
