package main

// What a cell costs in which nothing happens: what stays beside its program,
// what the kernel and the disk keep of it.

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// idler is a way to have busybox sleep in a root of its own.
type idler struct {
	name string
	why  string // not measured, because
	// in is what it is started in, and mark what its processes have in their
	// command line or environment.
	in   launcher
	mark string
	dirs []string // where its files are
	rest time.Duration
	warm bool // the first cell makes what all others use, such as an unpacked image
	// prepare, if there is one, makes what all cells share, and finish removes it.
	prepare, finish func() error
	// start starts a cell, and gives the number of its program: 0 if the host has no such process.
	start  func(id string) (program int, err error)
	remove func(id string) error
}

// The columns. But for opOnce, all are for one cell.
const (
	opBeside      = "processes"
	opThreads     = "threads"
	opRSSBeside   = "RSS MiB"
	opPSSBeside   = "PSS MiB"
	opDescriptors = "descriptors"
	opNamespaces  = "namespaces"
	opMounts      = "mounts"
	opCgroups     = "cgroups"
	opDisk        = "disk KiB"
	opOnce        = "once, PSS MiB"
)

var densityOps = []string{opBeside, opThreads, opRSSBeside, opPSSBeside, opDescriptors, opNamespaces, opMounts, opCgroups, opDisk, opOnce}

func benchDensity(o options, dir string, out io.Writer) (map[string][]float64, error) {
	idlers, err := idlers(o, dir)
	if err != nil {
		return nil, err
	}
	samples := map[string][]float64{}
	_, _ = fmt.Fprintf(out, "\nWhat each of %d idle cells costs beside its program, busybox sleep; load %s.\n", o.idle, load())
	_, _ = fmt.Fprintln(out, "processes to descriptors: of what stays beside the program; RSS counts a page that several have in each of them, PSS once.")
	_, _ = fmt.Fprintln(out, "namespaces, mounts (of a mount namespace of its own), cgroups: the program's too. disk: files of its own, state and root.")
	_, _ = fmt.Fprint(out, "once: processes that there are even without a cell.\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "\t%s\n", strings.Join(densityOps, "\t"))
	for _, d := range idlers {
		if d.why != "" {
			continue
		}
		cost, err := d.measure(o.idle)
		if err != nil {
			d.why = err.Error()
			continue
		}
		cells := []string{d.name}
		for _, op := range densityOps {
			samples["density/"+d.name+"/"+op] = []float64{cost[op]}
			cells = append(cells, strings.TrimSuffix(fmt.Sprintf("%.1f", cost[op]), ".0"))
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	if err := t.Flush(); err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintln(out)
	for _, d := range idlers {
		if d.why != "" {
			_, _ = fmt.Fprintf(out, "not measured: %s: %s\n", d.name, d.why)
		}
	}
	return samples, nil
}

// measure starts n cells and looks at what there is because of them.
func (d *idler) measure(n int) (_ map[string]float64, err error) {
	var made []string
	defer func() {
		for _, id := range made {
			err = errors.Join(err, d.remove(id))
		}
		if d.finish != nil {
			err = errors.Join(err, d.finish())
		}
	}()
	if d.prepare != nil {
		if err := d.prepare(); err != nil {
			return nil, err
		}
	}
	if d.warm {
		id := fmt.Sprintf("first-%d", os.Getpid())
		_, err := d.start(id)
		if err := errors.Join(err, d.remove(id)); err != nil {
			return nil, err
		}
	}
	s, err := sceneOf(d.in)
	if err != nil {
		return nil, err
	}
	time.Sleep(d.rest)
	shared, programs := processesOf(d.mark), map[int]bool{}
	before, err := disk(d.dirs...)
	if err != nil {
		return nil, err
	}
	var once holding
	for pid := range shared {
		if err := once.add(pid); err != nil {
			return nil, err
		}
	}
	for i := range n {
		id := fmt.Sprintf("idle-%d-%d", os.Getpid(), i)
		made = append(made, id)
		program, err := d.start(id)
		if err != nil {
			return nil, err
		}
		programs[program] = true
	}
	time.Sleep(d.rest)
	d.still()
	after, err := disk(d.dirs...)
	if err != nil {
		return nil, err
	}
	h, err := d.hold(s, shared, programs)
	if err != nil {
		return nil, err
	}
	each := float64(n)
	return map[string]float64{
		opBeside: float64(h.processes) / each, opThreads: float64(h.threads) / each, opRSSBeside: h.rss / each, opPSSBeside: h.pss / each,
		opDescriptors: float64(h.descriptors) / each, opNamespaces: float64(len(h.namespaces)) / each, opMounts: float64(len(h.mounts)) / each,
		opCgroups: float64(len(h.cgroups)) / each, opDisk: (after - before) / each, opOnce: once.pss,
	}, nil
}

// still waits until no process of the kind has come or gone for half a second: what
// is on its way out does not stay.
func (d *idler) still() {
	const quiet, longest = 500 * time.Millisecond, 10 * time.Second
	last, began := processesOf(d.mark), time.Now()
	for since := began; time.Since(since) < quiet && time.Since(began) < longest; time.Sleep(quiet / 10) {
		if now := processesOf(d.mark); !maps.Equal(now, last) {
			last, since = now, time.Now()
		}
	}
}

// hold counts what is beside the programs and was not there before.
func (d *idler) hold(s scene, shared, programs map[int]bool) (*holding, error) {
	h := &holding{namespaces: map[string]bool{}, mounts: map[string]bool{}, cgroups: map[string]bool{}}
	for pid := range processesOf(d.mark) {
		if shared[pid] || programs[pid] {
			continue
		}
		if err := errors.Join(h.add(pid), h.objects(s, pid)); err != nil {
			return nil, err
		}
	}
	for pid := range programs {
		if pid == 0 {
			continue
		}
		if err := h.objects(s, pid); err != nil {
			return nil, err
		}
	}
	return h, nil
}
