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
	// Before is the root that it took the place of; 0 = it was the first.
	Before int `json:"before,omitempty"`
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
	x.Before = r.Current
	return Roots{Current: x.Number, List: append(slices.Clone(r.List), x)}
}

// Back gives the root that the current one took the place of. That is not the
// one before it in the list, if somebody had gone back from that.
func (r Roots) Back() (Root, error) {
	now, _ := r.Find(r.Current)
	x, ok := r.Find(now.Before)
	if !ok {
		return Root{}, errors.New("there is no older root to go back to")
	}
	return x, nil
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

// mostRoots is the highest number: a new root takes the next one, which an int of 32
// bits has, too.
const mostRoots = 1_000_000_000

// Check refuses what runcell did not write.
func (r Roots) Check() error {
	last := 0
	for _, x := range r.List {
		if x.Number <= last {
			return fmt.Errorf("number %d is behind %d", x.Number, last)
		}
		if x.Number > mostRoots {
			return fmt.Errorf("number %d is more than %d", x.Number, mostRoots)
		}
		if x.Before < 0 || x.Before >= x.Number {
			return fmt.Errorf("number %d took the place of %d, which is not older", x.Number, x.Before)
		}
		last = x.Number
	}
	if _, ok := r.Find(r.Current); !ok && r.Current != 0 {
		return errors.New("current is " + strconv.Itoa(r.Current) + ", which is not in the list")
	}
	return nil
}
