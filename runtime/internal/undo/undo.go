// Package undo takes back what a command did before one of its steps failed.
// Every step is noted with its undo: a command that is killed after any of them
// leaves what `delete --force` and recover understand. It never knows what a step
// is.
package undo

import (
	"errors"

	"github.com/netbsd-cells/runcell/runtime/internal/step"
)

// Stack is what was done so far. The zero Stack is nothing.
type Stack struct{ undo []entry }

type entry struct {
	name string
	undo func() error
}

// Did notes that the step of that name is done and how to take it back (nil =
// nothing to take back).
func (s *Stack) Did(name string, undo func() error) {
	if undo != nil {
		s.undo = append(s.undo, entry{name, undo})
	}
	step.Done(name)
}

// Rollback takes everything back, the last step first, and joins what went
// wrong on the way. A second one does nothing.
func (s *Stack) Rollback() error {
	var errs []error
	for i := len(s.undo) - 1; i >= 0; i-- {
		step.Say("undo: %s", s.undo[i].name)
		errs = append(errs, s.undo[i].undo())
	}
	s.undo = nil
	return errors.Join(errs...)
}
