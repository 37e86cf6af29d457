// Package depcheck checks what the compiler does not: which package may import
// which, what a binary links, who makes system calls relative to a directory,
// and what a file begins with. The rules are the tables in rules_test.go.
package depcheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A graph has what each package imports, without its tests. Packages of the
// module are named from its root: "./runtime".
type graph map[string][]string

// A house is a part of the tree whose packages are rooms in an order.
type house struct {
	// Prefix is a package; it and all below it are the house.
	Prefix string
	// Floors are from the top down. A room imports rooms of the floors below
	// its own, and none beside it.
	Floors [][]string
	// Tests are helpers of tests: they have no floor, and no room imports them.
	Tests []string
}

// up lists the imports that do not go down, and rooms that have no floor or
// are not there.
func (h house) up(g graph) []string {
	floor := map[string]int{}
	var faults []string
	for i, rooms := range h.Floors {
		for _, room := range rooms {
			name := strings.TrimSuffix(h.Prefix+"/"+room, "/.")
			floor[name] = i
			if _, ok := g[name]; !ok {
				faults = append(faults, fmt.Sprintf("%s has a floor and is not there", name))
			}
		}
	}
	for _, from := range sorted(g) {
		if !below(from, h.Prefix) || anyBelow(from, h.Tests) {
			continue
		}
		at, ok := floor[from]
		if !ok {
			faults = append(faults, fmt.Sprintf("%s has no floor", from))
			continue
		}
		for _, to := range g[from] {
			if anyBelow(to, h.Tests) {
				faults = append(faults, fmt.Sprintf("%s imports %s, which is for tests", from, to))
			}
			if other, ok := floor[to]; ok && other <= at {
				faults = append(faults, fmt.Sprintf("%s imports %s, which is not below it", from, to))
			}
		}
	}
	return faults
}

// A ban says what packages must not import.
type ban struct {
	From []string // these packages, and those below them
	To   []string // the same
	But  []string // none of these imports, and those below them
	Why  string
	Free []string // these packages, and those below them, may
}

// broken lists the imports that a ban forbids.
func (b ban) broken(g graph) []string {
	var faults []string
	for _, from := range sorted(g) {
		if !anyBelow(from, b.From) || anyBelow(from, b.Free) {
			continue
		}
		for _, to := range g[from] {
			if anyBelow(to, b.To) && !anyBelow(to, b.But) {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", from, to, b.Why))
			}
		}
	}
	return faults
}

// reached gives every package that is linked into one of the programs.
func (g graph) reached(programs ...string) []string {
	seen := map[string]bool{}
	for todo := slices.Clone(programs); len(todo) > 0; {
		p := todo[0]
		todo = todo[1:]
		if !seen[p] {
			seen[p] = true
			todo = append(todo, g[p]...)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// below says whether a package is another one or below it.
func below(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func anyBelow(pkg string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return below(pkg, dir) })
}

func sorted(g graph) []string { return slices.Sorted(maps.Keys(g)) }
