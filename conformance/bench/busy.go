package main

// What else the machine does while it is measured: a fixed number of busy
// processes, or eight starts at a time.

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// busy is a process that computes, and ends by itself once who started it is gone.
const busy = `while kill -0 "$1" 2>/dev/null; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done`

// startBusy starts n such processes. stop ends them.
func startBusy(n int) (stop func() error, _ error) {
	var all []*exec.Cmd
	stop = func() error {
		var errs []error
		for _, c := range all {
			errs = append(errs, c.Process.Kill())
		}
		for _, c := range all {
			_ = c.Wait() // as it was killed
		}
		return errors.Join(errs...)
	}
	for range n {
		c := exec.Command("/bin/sh", "-c", busy, "sh", fmt.Sprint(os.Getpid()))
		if err := c.Start(); err != nil {
			return nil, errors.Join(err, stop())
		}
		all = append(all, c)
	}
	return stop, nil
}

// atATime is how many starts there are at a time.
const atATime = 8

// keepStarting runs the subject's program again and again, so many at a time, until
// it is stopped.
func (w *world) keepStarting(s *subject) (stop func() error) {
	var ended atomic.Bool
	var running, begun sync.WaitGroup
	errs := make([]error, atATime)
	for i := range atATime {
		begun.Add(1)
		running.Go(func() {
			begun.Done()
			for errs[i] == nil && !ended.Load() {
				_, errs[i] = run(s.launch, s.runArgs(w, w.id())...)
			}
		})
	}
	begun.Wait()
	return func() error {
		ended.Store(true)
		running.Wait()
		return errors.Join(errs...)
	}
}

// benchLoaded makes the table of the runtimes beside busy processes.
func benchLoaded(o options, dir string, out io.Writer) (_ map[string][]float64, err error) {
	stop, err := startBusy(o.load)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	_, _ = fmt.Fprintf(out, "\nBeside %d busy processes, the same:\n", o.load)
	return runtimesTable(o, &world{dir: dir}, "loaded/", out)
}

// benchBeside makes it beside eight starts of the same subject at a time.
func benchBeside(o options, dir string, out io.Writer) (map[string][]float64, error) {
	_, _ = fmt.Fprintf(out, "\nBeside %d starts at a time of the same runtime, the same:\n", atATime)
	w := &world{dir: dir}
	w.beside = w.keepStarting
	return runtimesTable(o, w, "beside/", out)
}

// perTurn is how many starts a subject makes before the next one's turn.
const perTurn = 5 * atATime

// The columns of starts; wall is each start's.
const (
	opPerSecond = "starts/s"
	opWall      = "wall"
)

// benchStarts tells how many starts a second each subject manages, beside busy
// processes too if there are to be some.
func benchStarts(o options, dir string, out io.Writer) (_ map[string][]float64, err error) {
	w, err := newWorld(o, &world{dir: dir})
	if err != nil {
		return nil, err
	}
	samples, err := w.starts(o, fmt.Sprintf("Starts, %d at a time", atATime), "starts/", out)
	if err != nil || o.load == 0 {
		return samples, err
	}
	stop, err := startBusy(o.load)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	clear(w.samples)
	loaded, err := w.starts(o, fmt.Sprintf("The same beside %d busy processes", o.load), "starts, loaded/", out)
	maps.Copy(samples, loaded)
	return samples, err
}

func (w *world) starts(o options, title, prefix string, out io.Writer) (map[string][]float64, error) {
	turns := (o.starts + perTurn - 1) / perTurn
	for turn := range turns {
		for i := range w.subjects {
			s := w.subjects[(i+turn)%len(w.subjects)]
			if s.why != "" {
				continue
			}
			if err := w.turn(s, min(perTurn, o.starts)); err != nil {
				s.why = err.Error()
			}
		}
	}
	_, _ = fmt.Fprintf(out, "\n%s: %d turns of %d; load %s. wall and its p99 are of a start, in ms; in brackets, the ratio to crun's.\n\n", title, turns, min(perTurn, o.starts), load())
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "\t%s\t%s\tp99\n", opPerSecond, opWall)
	for _, s := range w.subjects {
		if s.why == "" {
			cells := append(w.row(s, []string{opPerSecond, opWall}, median), w.row(s, []string{opWall}, p99)...)
			_, _ = fmt.Fprintln(t, s.name+"\t"+strings.Join(cells, "\t"))
		}
	}
	if err := t.Flush(); err != nil {
		return nil, err
	}
	w.printMissing(out)
	return w.flat(prefix), nil
}

// turn makes n starts, so many at a time.
func (w *world) turn(s *subject, n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	var running sync.WaitGroup
	errs, walls := make([]error, atATime), make([][]float64, atATime)
	began := time.Now()
	for i := range atATime {
		running.Go(func() {
			for errs[i] == nil && left.Add(-1) >= 0 {
				var u usage
				u, errs[i] = run(s.launch, s.runArgs(w, w.id())...)
				walls[i] = append(walls[i], ms(u.wall))
			}
		})
	}
	running.Wait()
	took := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	rate, wall := key{s.name, opPerSecond}, key{s.name, opWall}
	w.samples[rate] = append(w.samples[rate], float64(n)/took.Seconds())
	for _, each := range walls {
		w.samples[wall] = append(w.samples[wall], each...)
	}
	return nil
}
