package main

// The tables that are printed.

import (
	"fmt"
	"io"
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

// print writes a row a subject: medians, and the ratio to crun's.
func (w *world) print(out io.Writer, o options) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	say("%d rounds after %d of warm-up, interleaved; %d CPUs, %s/%s.\n", o.rounds, o.warmup, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	say("Medians in ms and, in brackets, the ratio to crun's. Peak RSS in MiB.\n")
	say("run CPU: user and system time of run with its children; switches of context and minor page faults of the same.\n")
	say("resident: processes that stay while a detached container idles.\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "\t%s\n", strings.Join(operations, "\t"))
	for _, s := range w.subjects {
		if s.why == "" {
			_, _ = fmt.Fprintln(t, s.name+"\t"+strings.Join(w.row(s), "\t"))
		}
	}
	_ = t.Flush()
	printLimits(out, w.limits())
	say("\n")
	seen := map[string]bool{}
	for _, s := range w.subjects {
		if s.why != "" {
			say("not measured: %s: %s\n", s.name, s.why)
		} else if v := s.version(); v != "" && !seen[s.floor[0]] {
			seen[s.floor[0]] = true
			say("%s\n", v)
		}
	}
}

func (w *world) row(s *subject) []string {
	var cells []string
	for _, op := range operations {
		v := w.samples[key{s.name, op}]
		if len(v) == 0 {
			cells = append(cells, "-")
			continue
		}
		m := median(v)
		cell := fmt.Sprintf("%.1f", m)
		if base := w.samples[key{nameCrun, op}]; op == opLeft {
			cell = fmt.Sprintf("%.0f", m)
		} else if len(base) > 0 {
			cell += fmt.Sprintf(" (%.2f)", m/median(base))
		}
		cells = append(cells, cell)
	}
	return cells
}

// flat is every sample, by "subject/operation".
func (w *world) flat() map[string][]float64 {
	m := map[string][]float64{}
	for k, v := range w.samples {
		m[k.subject+"/"+k.op] = v
	}
	return m
}
