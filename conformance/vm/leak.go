package main

// Telling a leak from noise: a counter that a round of the same work raises by
// one or more, round after round.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// warmUp is the number of rounds whose numbers don't count: caches fill, and
// what is made once is made then.
const warmUp = 3

// noisy are counters, by the beginning of their names, that grow with use until
// the kernel wants the memory back.
var noisy = []struct{ prefix, why string }{
	{"pool buf", "the buffer cache, up to vm.bufmem_hiwater; file systems on disk only"},
	{"pool ncache", "names of files, up to kern.maxvnodes"},
	{"pool pcg", "groups of free objects, which pools keep for each CPU"},
	{"pool vmembt", "how the kernel's addresses are cut up; those in use are counted (kva)"},
	{"pool phpool", "heads of other pools' pages: those are counted themselves"},
	{"pool anonpl", "memory of programs: it is the agent's heap that grows"},
	{"pool pvpl", "mappings of the same memory"},
}

func isNoisy(name string) bool {
	for _, n := range noisy {
		if strings.HasPrefix(name, n.prefix) {
			return true
		}
	}
	return false
}

// leaks lists the counters that grew by about one a round or more in the rounds
// after the warm-up. Fewer than six of those tell nothing.
func leaks(rounds []protocol.Counters) (found []string, err error) {
	rounds = rounds[min(warmUp, len(rounds)):]
	if len(rounds) < 6 {
		return nil, fmt.Errorf("compare counters: %d rounds after %d of warm-up are too few: give ROUNDS=%d or more", len(rounds), warmUp, warmUp+6)
	}
	for name := range rounds[0] {
		if isNoisy(name) {
			continue
		}
		values := make([]int64, len(rounds))
		for i, c := range rounds {
			values[i] = c[name]
		}
		if grows(values) {
			found = append(found, fmt.Sprintf("%s: %v", name, values))
		}
	}
	slices.SortFunc(found, strings.Compare)
	return found, nil
}

// grows: the median of the slopes between any two rounds is about one or more
// (Theil-Sen), and it went up in at least every second round. Free objects that
// a pool keeps are counted as well, so that its number is the most that was ever
// needed at once: it goes up in steps, and rests. A leak does not rest.
func grows(v []int64) bool {
	var slopes []float64
	ups := 0
	for i := range v {
		if i > 0 && v[i] > v[i-1] {
			ups++
		}
		for j := i + 1; j < len(v); j++ {
			slopes = append(slopes, float64(v[j]-v[i])/float64(j-i))
		}
	}
	slices.Sort(slopes)
	return slopes[len(slopes)/2] >= 0.75 && 2*ups >= len(v)-1
}
