package main

// Rounds of measuring, and what one start costs.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The operations, in the order of the table's columns.
const (
	opFloor  = "--version"
	opRun    = "run"
	opCreate = "create"
	opStart  = "start"
	opState  = "state"
	opExec   = "exec"
	opKill   = "kill"
	opDelete = "delete"
	opRSS    = "peak RSS"
	opLeft   = "resident"

	// What run costs the machine, as its time says little beside others' load.
	opCPU      = "run CPU"
	opSwitches = "switches"
	opFaults   = "faults"
)

var operations = []string{opFloor, opRun, opCPU, opSwitches, opFaults, opCreate, opStart, opState, opExec, opKill, opDelete, opRSS, opLeft}

// timed are those that take time.
var timed = []string{opFloor, opRun, opCreate, opStart, opState, opExec, opKill, opDelete}

type key struct{ subject, op string }

// world is one run of the bench.
type world struct {
	dir             string
	inside, outside launcher
	subjects        []*subject
	samples         map[key][]float64 // ms; MiB of opRSS; numbers of opSwitches, opFaults, opLeft
	serial          atomic.Int64
	// beside, if set, is what goes on while a subject is measured. It gives what ends it.
	beside func(*subject) (stop func() error)
}

// measure runs every operation of every subject in turn, A B C A B C, so that
// what disturbs the machine disturbs all of them. Whoever begins changes from
// round to round.
func (w *world) measure(warmup, rounds int) {
	for r := range warmup + rounds {
		record := r >= warmup
		for i := range w.subjects {
			s := w.subjects[(i+r)%len(w.subjects)]
			if s.why != "" {
				continue
			}
			stop := func() error { return nil }
			if w.beside != nil {
				stop = w.beside(s)
			}
			err := w.round(s, record, r >= warmup+rounds-memoryRounds)
			if err := errors.Join(err, stop()); err != nil {
				s.why = err.Error()
			}
		}
	}
}

// memoryRounds are as many as benchstat wants of a row: memory hardly changes
// from round to round, and each look at it is a run more.
const memoryRounds = 6

// round measures one subject once. The last rounds also look at memory.
func (w *world) round(s *subject, record, last bool) error {
	note := func(op string, v float64) {
		if record {
			k := key{s.name, op}
			w.samples[k] = append(w.samples[k], v)
		}
	}
	take := func(op string, argv []string) error {
		u, err := run(s.launch, argv...)
		note(op, ms(u.wall))
		if op == opRun {
			note(opCPU, ms(u.cpu))
			note(opSwitches, float64(u.switches))
			note(opFaults, float64(u.faults))
		}
		return err
	}
	if err := take(opFloor, s.floor); err != nil {
		return err
	}
	if err := take(opRun, s.runArgs(w, w.id())); err != nil {
		return err
	}
	if last {
		kib, err := peakRSS(s.launch, s.runArgs(w, w.id()))
		if err != nil {
			return err
		}
		note(opRSS, float64(kib)/1024)
	}
	if s.runtime == nil || s.light {
		return nil
	}
	return w.lifecycle(s, take, note)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (w *world) lifecycle(s *subject, take func(string, []string) error, note func(string, float64)) (err error) {
	id := w.id()
	defer func() {
		if err != nil {
			_, e := run(s.launch, s.command("delete", "--force", id)...)
			err = errors.Join(err, e)
		}
	}()
	pidFile := filepath.Join(w.dir, "pid")
	if err := take(opCreate, s.command("create", "--bundle", w.bundle(bundleSleep), "--pid-file", pidFile, id)); err != nil {
		return err
	}
	if err := take(opStart, s.command("start", id)); err != nil {
		return err
	}
	pid, err := readPid(pidFile)
	if err != nil {
		return err
	}
	if w.beside == nil { // what goes on there is not what stays
		left, err := residents(pid)
		if err != nil {
			return err
		}
		note(opLeft, float64(left))
	}
	if err := take(opState, s.command("state", id)); err != nil {
		return err
	}
	if err := take(opExec, s.command("exec", id, "/bin/true")); err != nil {
		return err
	}
	if err := take(opKill, s.command("kill", id, "KILL")); err != nil {
		return err
	}
	if err := w.awaitStopped(s, id); err != nil {
		return err
	}
	return take(opDelete, s.command("delete", id))
}

func (w *world) id() string {
	return fmt.Sprintf("bench-%d-%d", os.Getpid(), w.serial.Add(1))
}

func (w *world) awaitStopped(s *subject, id string) error {
	for range 200 {
		_, out, err := capture(s.launch, s.command("state", id)...)
		if err != nil {
			return err
		}
		var st struct{ Status string }
		if err := json.Unmarshal([]byte(out), &st); err != nil {
			return fmt.Errorf("decode state of %s: %w", s.name, err)
		}
		if st.Status == "stopped" {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("%s: container %s not stopped a second after SIGKILL", s.name, id)
}

func readPid(file string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// peakRSS is the largest resident set, in KiB, of a command and of the
// children it waited for. A process inherits its parent's peak over exec, so
// a small parent has to measure: busybox.
func peakRSS(l launcher, argv []string) (int, error) {
	_, out, err := capture(l, append([]string{"/bin/busybox", "time", "-f", "peak %M"}, argv...)...)
	if err != nil {
		return 0, err
	}
	_, kib, ok := strings.Cut(out, "peak ")
	if !ok {
		return 0, fmt.Errorf("busybox time printed %q", out)
	}
	n, err := strconv.Atoi(strings.TrimSpace(kib))
	return n * 1024 / os.Getpagesize(), err
}

// residents counts the processes that carry our token, except the container's.
func residents(container int) (int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return 0, err
	}
	n := 0
	for _, d := range dirs {
		env, err := os.ReadFile(d)
		if err != nil {
			continue // it has ended
		}
		if d != fmt.Sprintf("/proc/%d/environ", container) && slices.Contains(strings.Split(string(env), "\x00"), token) {
			n++
		}
	}
	return n, nil
}
