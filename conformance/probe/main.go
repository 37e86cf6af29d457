// The Go runtime's reading of cgroups would open descriptors of its own before
// main can count the inherited ones.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command probe is the program that the conformance suite runs inside
// containers and as a hook: it carries out the operations of its arguments,
// separated by ";", and prints one JSON line for each.
//
//	probe facts ";" write /etc/x hello ";" exit 3
//
// It needs nothing but itself: no shell, no library, no file.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
)

// operation is a thing the probe can do with args; it fills in the line.
type operation struct {
	args int // how many arguments
	run  func(p *probe, args []string, line *fact.Line) error
}

// probe is the state that operations share.
type probe struct {
	out *os.File
	fds []fact.FD // counted before anything was opened
}

func main() {
	p := &probe{fds: openDescriptors(), out: os.Stdout}
	if err := p.runAll(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(125)
	}
}

// runAll carries out every operation of args in turn.
func (p *probe) runAll(args []string) error {
	for len(args) > 0 {
		step := args
		if i := slices.Index(args, ";"); i >= 0 {
			step, args = args[:i], args[i+1:]
		} else {
			args = nil
		}
		if len(step) == 0 {
			continue
		}
		op, ok := operations[step[0]]
		if !ok || len(step)-1 != op.args {
			return fmt.Errorf("bad operation %q", step)
		}
		line := &fact.Line{Op: step[0], Args: step[1:]}
		err := op.run(p, step[1:], line)
		if line.Op == "" {
			continue // the operation wants no line
		}
		line.OK = err == nil
		if err != nil {
			line.Error, line.Errno = err.Error(), errnoName(err)
		}
		if err := p.print(line); err != nil {
			return err
		}
	}
	return nil
}

// print writes a line with one write, so that several processes can append
// to the same file.
func (p *probe) print(line *fact.Line) error {
	b, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	if _, err := p.out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write line: %w", err)
	}
	return nil
}
