package runtime

// Steps that can be taken back. A command that fails half-way undoes what it
// did, the last step first; one that is killed leaves a state that
// `delete --force` understands (see fault.go for how that is tested).

import (
	"errors"

	"github.com/netbsd-cells/runcell/runtime/internal/fault"
)

// txn is a list of undo functions.
type txn struct{ undo []func() error }

// did notes that step name is done and how to take it back (nil = nothing).
func (t *txn) did(name string, undo func() error) {
	if undo != nil {
		t.undo = append(t.undo, undo)
	}
	fault.Point(name)
}

// rollback undoes everything and joins what went wrong on the way.
func (t *txn) rollback() error {
	var errs []error
	for i := len(t.undo) - 1; i >= 0; i-- {
		errs = append(errs, t.undo[i]())
	}
	t.undo = nil
	return errors.Join(errs...)
}
