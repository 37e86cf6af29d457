package harness

// Comparing what a user saw with one runtime and with another.

import (
	"cmp"
	"fmt"
	"slices"
)

// order gives the targets as they run: what others are compared with first.
func (r *Run) order() []Target {
	targets := slices.Clone(r.Targets)
	if r.Suite.Compares {
		slices.SortStableFunc(targets, func(a, b Target) int { return cmp.Compare(rank(a), rank(b)) })
	}
	return targets
}

func rank(t Target) int {
	if t.Peer {
		return 0
	}
	return 1
}

// compare fails a result that shows something else than the first runtime's
// that passed the case.
func (r *Run) compare(reference map[string]Result, result *Result) {
	if result.Outcome != Pass {
		return
	}
	first, ok := reference[result.Case]
	if !ok {
		reference[result.Case] = *result
		return
	}
	if d := difference(first.Shown, result.Shown); d != "" {
		result.Outcome = Fail
		result.Message = append(result.Message, fmt.Sprintf("not as with %s: %s", first.Runtime, d))
	}
}

// difference describes the first line that is not the same.
func difference(want, got []string) string {
	for i := range max(len(want), len(got)) {
		w, g := "nothing", "nothing"
		if i < len(want) {
			w = fmt.Sprintf("%q", want[i])
		}
		if i < len(got) {
			g = fmt.Sprintf("%q", got[i])
		}
		if w != g {
			return fmt.Sprintf("line %d is %s, want %s", i+1, g, w)
		}
	}
	return ""
}
