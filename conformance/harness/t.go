package harness

// T is what a case works with: it reports, and it owns the case's directory,
// containers and commands.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// T is the context of one running case. Its methods may be called from
// several goroutines, Fatalf and Skipf only from the case's own.
type T struct {
	Target Target
	Token  string // unique to the case's run, part of every container id
	Dir    string // the case's directory, absolute
	Root   string // the runtime's state directory
	probe  string // the probe on this host

	ctx    context.Context
	slow   float64 // see Limit
	reaper *reaper
	before snapshot

	mu      sync.Mutex
	serial  int
	ids     []string
	bundles []*Bundle
	failed  []string
	shown   []string
	notes   []string
	skipped string
	log     []string
	pending map[string]bool
	cleanup []func()
}

// Errorf notes a failure and lets the case go on.
func (t *T) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = append(t.failed, fmt.Sprintf(format, args...))
}

// Fatalf notes a failure and ends the case.
func (t *T) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// Skipf ends the case as not applicable on this host.
func (t *T) Skipf(format string, args ...any) {
	t.mu.Lock()
	t.skipped = fmt.Sprintf(format, args...)
	t.mu.Unlock()
	runtime.Goexit()
}

// Cleanup registers f to run before the sweep, last first.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanup = append(t.cleanup, f)
}

// Show keeps lines that a user saw, see Result.Shown.
func (t *T) Show(lines ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shown = append(t.shown, lines...)
}

// context ends when the case's time is over.
func (t *T) context() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ctx
}

// HostProbe is the probe's path on this host, for hooks.
func (t *T) HostProbe() string { return t.probe }

// logf keeps a line for the report of a failure.
func (t *T) logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, fmt.Sprintf(format, args...))
}

// Note says something of a case that passes, too.
func (t *T) Note(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = append(t.notes, line)
}

// Forget drops the log of the commands so far, and their output once none is
// under way: of a case that runs thousands, only those at a failure are of use.
func (t *T) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = nil
	if len(t.pending) == 0 {
		_ = os.RemoveAll(filepath.Join(t.Dir, "output"))
	}
}

// ID gives a new container id, which the harness deletes at the end.
func (t *T) ID() string {
	t.mu.Lock()
	t.serial++
	id := fmt.Sprintf("%s-%d", t.Token, t.serial)
	t.mu.Unlock()
	return t.Track(id)
}

// Track notes an id of the case's own choice for deletion at the end.
func (t *T) Track(id string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids = append(t.ids, id)
	return id
}

// Untrack forgets an id whose container a case has deleted, so that one that
// makes thousands is not asked about each of them.
func (t *T) Untrack(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids = slices.DeleteFunc(t.ids, func(have string) bool { return have == id })
}

// trackedIDs gives every id in the order of its making.
func (t *T) trackedIDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.ids)
}

// Path gives a path below the case's directory; its parent exists.
func (t *T) Path(elem ...string) string {
	path := filepath.Join(append([]string{t.Dir}, elem...)...)
	t.Must("make directory", os.MkdirAll(filepath.Dir(path), 0o755))
	return path
}

// MkdirAll makes a directory below the case's directory.
func (t *T) MkdirAll(elem ...string) string {
	path := t.Path(elem...)
	t.Must("make directory", os.MkdirAll(path, 0o755))
	return path
}

// WriteFile writes a file below the case's directory.
func (t *T) WriteFile(content string, elem ...string) string {
	path := t.Path(elem...)
	t.Must("write file", os.WriteFile(path, []byte(content), 0o644))
	return path
}

// ReadFile reads a file; the case ends if it can't.
func (t *T) ReadFile(path string) string {
	b, err := os.ReadFile(path)
	t.Must("read file", err)
	return string(b)
}

// Must ends the case on an error of the harness's own work.
func (t *T) Must(doing string, err error) {
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

// Eventually polls until ok says true; a failure after five seconds, more on a
// busy machine, ends the case with the message.
func (t *T) Eventually(ok func() bool, format string, args ...any) {
	deadline := time.Now().Add(t.Limit(5 * time.Second))
	for !ok() {
		if time.Now().After(deadline) || t.context().Err() != nil {
			t.Fatalf("in vain: "+format, args...)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Never polls for a short while and ends the case if bad says true.
func (t *T) Never(bad func() bool, format string, args ...any) {
	for deadline := time.Now().Add(150 * time.Millisecond); time.Now().Before(deadline); {
		if bad() {
			t.Fatalf(format, args...)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Exists says whether a path is there, without following a last symlink.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
