package harness

// A worker is this program again, for one case: a process of its own keeps
// apart what the case leaves behind.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Job is what a worker is told, as JSON on stdin.
type Job struct {
	Suite  string `json:"suite"`
	Case   string `json:"case"`
	Target Target `json:"target"`
	Probe  string `json:"probe"`
	Dir    string `json:"dir"` // empty, and the parent's to remove
	// Slow is how many times longer than on an idle machine all may take; see
	// slowness.
	Slow float64 `json:"slow"`
}

// Work runs the case of a job and writes its Result as JSON.
func Work(in io.Reader, out io.Writer, suites []*Suite) error {
	var job Job
	if err := json.NewDecoder(in).Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	i := slices.IndexFunc(suites, func(s *Suite) bool { return s.Name == job.Suite })
	if i < 0 {
		return fmt.Errorf("find suite %q: none of that name", job.Suite)
	}
	c, err := suites[i].Case(job.Case)
	if err != nil {
		return err
	}
	if err := Isolate(job.Target.HideCgroup2); err != nil {
		return fmt.Errorf("isolate case: %w", err)
	}
	result, err := job.run(c, suites[i].Subject != nil)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// run carries out one case: body, deletion of every container, sweep. A case
// about this machine makes no containers and reaps for itself.
func (j *Job) run(c Case, machine bool) (*Result, error) {
	r, err := newReaper(machine)
	if err != nil {
		return nil, err
	}
	defer r.close()
	t := &T{
		slow:   max(j.Slow, 1),
		Target: j.Target, Token: filepath.Base(j.Dir), Dir: j.Dir, Root: filepath.Join(j.Dir, "root"),
		probe: j.Probe, reaper: r,
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.Limit(c.timeout()))
	defer cancel()
	t.ctx = ctx
	t.takeSnapshot()
	start := time.Now()
	t.body(c)
	cancel()
	t.deleteAll()
	result := &Result{
		Runtime: j.Target.Name, Case: c.Name, Clause: c.Clause, Does: c.Does,
		Leaks: t.sweep(), Seconds: time.Since(start).Seconds(),
	}
	t.conclude(result)
	return result, nil
}

// body runs the case's function until it returns or its time is over.
func (t *T) body(c Case) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("the case panicked: %v", p)
			}
		}()
		c.Run(t)
	}()
	select {
	case <-done:
	case <-t.context().Done():
		t.mu.Lock()
		for call := range t.pending {
			t.failed = append(t.failed, "timed out in `"+call+"`")
		}
		t.failed = append(t.failed, "the case timed out")
		t.mu.Unlock()
		select { // the commands are killed, so most bodies end soon
		case <-done:
		case <-time.After(t.Limit(3 * time.Second)):
		}
	}
}

// deleteAll is what every caller does at the end: delete --force, which must
// succeed for any id whatever became of its container.
func (t *T) deleteAll() {
	ctx, cancel := context.WithTimeout(context.Background(), t.Limit(DefaultTimeout))
	defer cancel()
	t.mu.Lock()
	t.ctx = ctx
	t.mu.Unlock()
	for _, f := range slices.Backward(t.cleanup) {
		f()
	}
	for _, id := range t.trackedIDs() {
		done := make(chan struct{})
		go func() { // Do may end its goroutine
			defer close(done)
			if r := t.Try("delete", "--force", id); r.Code != 0 {
				t.Errorf("clean up: %s", r)
			}
		}()
		<-done
	}
}

func (t *T) conclude(r *Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Outcome, r.Shown, r.Notes = Pass, t.shown, t.notes
	switch {
	case len(t.failed) > 0 || len(r.Leaks) > 0:
		r.Outcome, r.Message, r.Log = Fail, t.failed, t.log
	case t.skipped != "":
		r.Outcome, r.Reason = Skip, t.skipped
	}
	for _, lines := range [][]string{r.Message, r.Log} {
		for i, line := range lines {
			lines[i] = strings.ReplaceAll(strings.ReplaceAll(line, t.Dir, "DIR"), t.Token, "ID")
		}
	}
}

// newDir makes a job's directory; its name is the case's token.
func newDir(workdir string) (string, error) {
	dir, err := os.MkdirTemp(workdir, "cf*x") // the end keeps it from being the beginning of another
	if err != nil {
		return "", fmt.Errorf("make case directory: %w", err)
	}
	return dir, os.Chmod(dir, 0o755)
}
