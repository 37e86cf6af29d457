package main

// What the commands that look at all cells have in common.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/runtime"
)

// cellsOf gives the cells of a container, or all of them; a container without
// one, as after a reboot, is an error.
func cellsOf(e engine, id string, all bool) ([]runtime.Cell, error) {
	cells, err := e.Cells()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(cells, func(a, b runtime.Cell) int { return byName(nameOf(a), nameOf(b)) })
	if all {
		return cells, nil
	}
	if _, err := e.State(id); err != nil {
		return nil, err
	}
	of := slices.DeleteFunc(cells, func(c runtime.Cell) bool { return c.Container != id })
	if len(of) == 0 {
		return nil, fmt.Errorf("container %q has no cell: it went with a reboot, or was never made", id)
	}
	return of, nil
}

// cellLabel is what a table calls a cell: its container, or the kernel's name of
// one that no container of this state directory has.
func cellLabel(c runtime.Cell) string {
	if c.Container != "" {
		return c.Container
	}
	return "cell " + c.Name
}

// named tells in JSON whose a row is.
type named struct {
	Container string `json:"container,omitempty"` // empty: of no container below this state directory
	Cell      string `json:"cell,omitempty"`      // the kernel's name of it
}

func nameOf(c runtime.Cell) named { return named{c.Container, c.Name} }

// byName puts the containers of this state directory before other cells.
func byName(a, b named) int {
	switch {
	case a.Container != "" && b.Container != "":
		return strings.Compare(a.Container, b.Container)
	case a.Container != "":
		return -1
	case b.Container != "":
		return 1
	}
	return strings.Compare(a.Cell, b.Cell)
}

// eachCell asks about every cell. One that goes meanwhile is left out; one that
// can't be asked hides no other.
func eachCell(cells []runtime.Cell, ask func(runtime.Cell) error) error {
	var errs []error
	for _, c := range cells {
		if err := gone(ask(c)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", cellLabel(c), err))
		}
	}
	return errors.Join(errs...)
}
