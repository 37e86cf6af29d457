package service

// Which root file systems a cell has had. Each is a bundle of its own, in a
// directory whose name is its number.

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Root is one of them.
type Root struct {
	Number   int    `json:"number"`
	Image    string `json:"image"` // as the declaration had it
	Manifest string `json:"manifest"`
}

// Roots is the file roots.json: all that are there, the newest last.
type Roots struct {
	Current int    `json:"current"` // a number; 0 = none
	List    []Root `json:"list"`
}

// Find gives a root by its number.
func (r Roots) Find(number int) (Root, bool) {
	i := slices.IndexFunc(r.List, func(x Root) bool { return x.Number == number })
	if i < 0 {
		return Root{}, false
	}
	return r.List[i], true
}

// Add makes a new root the current one.
func (r Roots) Add(x Root) Roots {
	return Roots{Current: x.Number, List: append(slices.Clone(r.List), x)}
}

// Back gives the root before the current one.
func (r Roots) Back() (Root, error) {
	i := slices.IndexFunc(r.List, func(x Root) bool { return x.Number == r.Current })
	if i <= 0 {
		return Root{}, errors.New("there is no older root to go back to")
	}
	return r.List[i-1], nil
}

// Prune leaves the current root alone.
func (r Roots) Prune() (left Roots, gone []Root) {
	left.Current = r.Current
	for _, x := range r.List {
		if x.Number == r.Current {
			left.List = append(left.List, x)
		} else {
			gone = append(gone, x)
		}
	}
	return left, gone
}

// Check refuses what runcell did not write.
func (r Roots) Check() error {
	last := 0
	for _, x := range r.List {
		if x.Number <= last {
			return fmt.Errorf("number %d is behind %d", x.Number, last)
		}
		last = x.Number
	}
	if _, ok := r.Find(r.Current); !ok && r.Current != 0 {
		return errors.New("current is " + strconv.Itoa(r.Current) + ", which is not in the list")
	}
	return nil
}
