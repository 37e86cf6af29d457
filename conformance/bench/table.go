package main

// The tables that are printed.

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// p99 is the sample that 99 of a hundred do not exceed (nearest rank).
func p99(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[(99*len(v)+99)/100-1]
}

// print writes a row a subject: medians, and the ratio to crun's.
func (w *world) print(out io.Writer, o options) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	say("%d rounds after %d of warm-up, interleaved; %d CPUs, %s/%s, load %s.\n", o.rounds, o.warmup, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, load())
	say("Medians in ms and, in brackets, the ratio to crun's. Peak RSS in MiB.\n")
	say("run CPU: user and system time of run with its children; switches of context and minor page faults of the same.\n")
	say("resident: processes that stay while a detached container idles. State directories are below %s.\n\n", filepath.Dir(o.states))
	w.printRows(out, operations, median)
	say("\nThe same, of a hundred the slowest but one (p99): of fewer than a hundred rounds the slowest.\n\n")
	w.printRows(out, timed, p99)
	printLimits(out, w.limits())
	say("\n")
	w.printMissing(out)
	seen := map[string]bool{}
	for _, s := range w.subjects {
		if s.why != "" {
			continue
		}
		if v := s.version(); v != "" && !seen[s.floor[0]] {
			seen[s.floor[0]] = true
			say("%s\n", v)
		}
	}
}

// printMissing says what was not measured, and why.
func (w *world) printMissing(out io.Writer) {
	for _, s := range w.subjects {
		if s.why != "" {
			_, _ = fmt.Fprintf(out, "not measured: %s: %s\n", s.name, s.why)
		}
	}
}

func (w *world) printRows(out io.Writer, ops []string, of func([]float64) float64) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "\t%s\n", strings.Join(ops, "\t"))
	for _, s := range w.subjects {
		if s.why == "" {
			_, _ = fmt.Fprintln(t, s.name+"\t"+strings.Join(w.row(s, ops, of), "\t"))
		}
	}
	_ = t.Flush()
}

// row has one number of each operation's samples, and its ratio to crun's.
func (w *world) row(s *subject, ops []string, of func([]float64) float64) []string {
	var cells []string
	for _, op := range ops {
		v := w.samples[key{s.name, op}]
		if len(v) == 0 {
			cells = append(cells, "-")
			continue
		}
		m := of(v)
		cell := fmt.Sprintf("%.1f", m)
		if base := w.samples[key{nameCrun, op}]; op == opLeft {
			cell = fmt.Sprintf("%.0f", m)
		} else if len(base) > 0 {
			cell += fmt.Sprintf(" (%.2f)", m/of(base))
		}
		cells = append(cells, cell)
	}
	return cells
}

// flat is every sample, by prefix and "subject/operation".
func (w *world) flat(prefix string) map[string][]float64 {
	m := map[string][]float64{}
	for k, v := range w.samples {
		m[prefix+k.subject+"/"+k.op] = v
	}
	return m
}
