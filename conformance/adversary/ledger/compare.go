package ledger

// What happened against what may happen.

import (
	"cmp"
	"slices"
	"strings"
)

// Difference is what a list and an observation do not have in common.
type Difference struct {
	New   []string // lines that somebody has to decide about, ready but for the reason
	Stale []string // lines, or parts of them, that did not happen
}

// Compare judges outcomes by the lines about the given kinds and subjects:
// those that were tried.
func (l *List) Compare(happened []Outcome, kinds, subjects []string) Difference {
	allowed, must := map[Outcome]bool{}, []Outcome{}
	for _, e := range l.Entries {
		for _, o := range e.outcomes() {
			if !slices.Contains(kinds, o.Kind) && !causedBy(o, kinds) || !slices.Contains(subjects, o.As) {
				continue
			}
			allowed[o] = true
			if !e.Maybe {
				must = append(must, o)
			}
		}
	}
	seen := map[Outcome]bool{}
	var fresh, stale []Outcome
	for _, o := range happened {
		if !allowed[o] && !seen[o] {
			fresh = append(fresh, o)
		}
		seen[o] = true
	}
	for _, o := range must {
		if !seen[o] {
			stale = append(stale, o)
		}
	}
	return Difference{New: Lines(fresh), Stale: Lines(stale)}
}

// effect is the kind of what the host saw change.
const effect = "effect"

// causedBy tells whether o is an effect of something of these kinds.
func causedBy(o Outcome, kinds []string) bool {
	kind, _, _ := strings.Cut(o.Name, "/")
	return o.Kind == effect && slices.Contains(kinds, kind)
}

// Effect is what the host saw change after an outcome's cause.
func Effect(kind, name, what, as string) Outcome {
	return Outcome{effect, kind + "/" + name, what, as}
}

// Lines writes outcomes as lines of a list, in order: those that differ in
// their subjects only share one, then those that differ in their targets.
func Lines(outcomes []Outcome) []string {
	type key struct{ kind, name, list string }
	byAt := group(outcomes, func(o Outcome) (key, string) { return key{o.Kind, o.Name, o.At}, o.As })
	var merged []Outcome
	for k, as := range byAt {
		merged = append(merged, Outcome{k.kind, k.name, k.list, strings.Join(as, ",")})
	}
	byAs := group(merged, func(o Outcome) (key, string) { return key{o.Kind, o.Name, o.As}, o.At })
	var all []Outcome
	for k, at := range byAs {
		all = append(all, Outcome{k.kind, k.name, strings.Join(at, ","), k.list})
	}
	slices.SortFunc(all, func(a, b Outcome) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.At, b.At), cmp.Compare(a.As, b.As))
	})
	var lines []string
	for _, o := range all {
		lines = append(lines, o.String())
	}
	return lines
}

// group collects the values of each key, in order and once.
func group[K comparable](outcomes []Outcome, split func(Outcome) (K, string)) map[K][]string {
	groups := map[K][]string{}
	for _, o := range outcomes {
		k, v := split(o)
		groups[k] = append(groups[k], v)
	}
	for k := range groups {
		slices.Sort(groups[k])
		groups[k] = slices.Compact(groups[k])
	}
	return groups
}
