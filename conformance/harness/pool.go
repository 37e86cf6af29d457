package harness

// The pool gives each case of each runtime to a worker and hands on the
// results in the order of the cases.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Run is a whole run of a suite.
type Run struct {
	Suite   *Suite
	Targets []Target
	Cases   []Case
	Probe   string
	WorkDir string // case directories are made here
	Jobs    int
	Keep    bool // keep the directories of failed cases
}

// WorkerArg is the first argument that turns the program into a worker.
const WorkerArg = "conformance-worker"

// Do runs every case and calls each with its result, in order: all of the
// first runtime, then the next.
func (r *Run) Do(each func(Result)) error {
	if err := adopt(); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	var jobs []func() Result
	for _, target := range r.order() {
		for _, c := range r.Cases {
			jobs = append(jobs, func() Result { return r.one(target, c) })
		}
	}
	results := make([]chan Result, len(jobs))
	for i := range results {
		results[i] = make(chan Result, 1)
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(r.Jobs, 1) {
		workers.Go(func() {
			for i := range next {
				results[i] <- jobs[i]()
			}
		})
	}
	go func() {
		for i := range jobs {
			next <- i
		}
		close(next)
	}()
	reference := map[string]Result{}
	for _, c := range results {
		result := <-c
		if r.Suite.Compares {
			r.compare(reference, &result)
		}
		r.Suite.Expected.explain(&result)
		each(result)
	}
	workers.Wait()
	return nil
}

// one runs a case, or says why it does not apply.
func (r *Run) one(target Target, c Case) Result {
	result := Result{Runtime: target.Name, Case: c.Name, Clause: c.Clause, Does: c.Does}
	if len(c.OS) > 0 && !slices.Contains(c.OS, runtime.GOOS) {
		result.Outcome, result.Reason = Skip, cmp.Or(c.Else, "needs "+strings.Join(c.OS, " or "))
		return result
	}
	got, err := r.worker(target, c)
	if err == nil {
		result = got
	} else { // what the case said, if it came so far, comes first
		result.Outcome, result.Message, result.Leaks = Fail, append(got.Message, "harness: "+err.Error()), got.Leaks
		result.Log, result.Seconds = got.Log, got.Seconds
	}
	return result
}

// worker runs a case in a worker process.
func (r *Run) worker(target Target, c Case) (result Result, err error) {
	dir, err := newDir(r.WorkDir)
	if err != nil {
		return result, err
	}
	defer func() {
		// The worker's mounts are in its own namespace: nothing of the host
		// is below dir here.
		if r.Keep && (err != nil || result.Outcome == Fail) {
			fmt.Fprintf(os.Stderr, "%s %s: kept %s\n", target.Name, c.Name, dir)
		} else if e := os.RemoveAll(dir); err == nil && e != nil {
			err = fmt.Errorf("remove case directory: %w", e)
		}
	}()
	slow := slowness(load(), runtime.NumCPU())
	job, err := json.Marshal(Job{Suite: r.Suite.Name, Case: c.Name, Target: target, Probe: r.Probe, Dir: dir, Slow: slow})
	if err != nil {
		return result, fmt.Errorf("encode job: %w", err)
	}
	out, err := r.spawn(job, stretched(max(c.timeout(), DefaultTimeout)+2*DefaultTimeout, slow))
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return result, fmt.Errorf("decode worker's result: %w", err)
	}
	return result, nil
}

// spawn runs the worker process. Its parent thread must live on, because the
// worker asks to be killed when that ends.
func (r *Run) spawn(job []byte, limit time.Duration) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	files, err := tempFiles(r.WorkDir)
	defer closeAndRemove(files)
	if err != nil {
		return nil, fmt.Errorf("make worker's files: %w", err)
	}
	if _, err := files[0].WriteAt(job, 0); err != nil {
		return nil, fmt.Errorf("write job: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, WorkerArg)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	unshare(cmd)
	if err := cmd.Run(); err != nil {
		stderr, _ := os.ReadFile(files[2].Name())
		return nil, fmt.Errorf("run worker: %w: %s", err, short(string(stderr)))
	}
	return os.ReadFile(files[1].Name())
}

// tempFiles makes a worker's input, output and errors. They are files and not
// pipes: what a case leaves running may hold them open.
func tempFiles(dir string) (files []*os.File, err error) {
	for range 3 {
		f, err := os.CreateTemp(dir, "worker")
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAndRemove(files []*os.File) {
	for _, f := range files {
		_, _ = f.Close(), os.Remove(f.Name())
	}
}
