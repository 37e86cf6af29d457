package main

// What limits a row: something that has to be done in any case, measured beside it.

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// limit is a row of runcell's and its floor.
type limit struct {
	what, floor string
	row, least  []float64
}

// printLimits writes how much of each row its floor is. What was not measured
// is left out.
func printLimits(out io.Writer, list []limit) {
	_, _ = fmt.Fprint(out, "\nWhat limits runcell: its median, and its floor's, in the table's units, measured in the same rounds.\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\trow\tfloor\tpart of it\tthe floor is")
	for _, l := range list {
		if len(l.row) == 0 || len(l.least) == 0 {
			continue
		}
		row, least := median(l.row), median(l.least)
		_, _ = fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.0f %%\t%s\n", l.what, row, least, 100*least/row, l.floor)
	}
	_ = t.Flush()
}

const (
	nameUnshare = "unshare -mpuif chroot"
	nameChroot  = "chroot"
)

// floors are of runcell's operations, by the row and column that measures them.
var floors = []struct {
	op, subject, at, is string
}{
	{opFloor, nameChroot, opFloor, "the start of a C program"},
	{opRun, nameUnshare, opRun, "the same program in namespaces of its own, without a runtime"},
	{opCPU, nameUnshare, opCPU, "the same"},
	{opSwitches, nameUnshare, opSwitches, "the same"},
	{opFaults, nameUnshare, opFaults, "the same"},
	{opCreate, nameRuncell, opFloor, "the start of runcell: --version"},
	{opStart, nameRuncell, opFloor, "the same"},
	{opState, nameRuncell, opFloor, "the same"},
	{opExec, nameRuncell, opFloor, "the same"},
	{opKill, nameRuncell, opFloor, "the same"},
	{opDelete, nameRuncell, opFloor, "the same"},
}

func (w *world) limits() []limit {
	var list []limit
	for _, f := range floors {
		list = append(list, limit{f.op, f.is, w.samples[key{nameRuncell, f.op}], w.samples[key{f.subject, f.at}]})
	}
	return list
}
