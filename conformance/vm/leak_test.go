package main

import (
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

func samples(n int, value func(round int) int64) []protocol.Counters {
	var all []protocol.Counters
	for i := range n {
		all = append(all, protocol.Counters{"pool x": value(i), "pool steady": 7})
	}
	return all
}

func TestLeaks(t *testing.T) {
	noise := []int64{0, 3, 1, 5, 2, 0, 4, 1, 3, 2, 5, 0, 1, 4, 2, 3, 0, 5, 1, 2}
	for name, test := range map[string]struct {
		value func(round int) int64
		leak  bool
	}{
		"one a round":             {func(r int) int64 { return 100 + int64(r) }, true},
		"one a round, with noise": {func(r int) int64 { return 100 + int64(r) + noise[r] }, true},
		"forty a round":           {func(r int) int64 { return 40 * int64(r) }, true},
		"constant":                {func(int) int64 { return 100 }, false},
		"noise":                   {func(r int) int64 { return 100 + noise[r] }, false},
		"once, then constant":     {func(r int) int64 { return int64(min(r, warmUp)) * 50 }, false},
		"shrinks":                 {func(r int) int64 { return -int64(r) }, false},
		"one in all, later":       {func(r int) int64 { return int64(r / 10) }, false},
	} {
		found, err := leaks(samples(20, test.value))
		if err != nil || (len(found) > 0) != test.leak {
			t.Errorf("%s: leaks = %v, %v; want a leak: %v", name, found, err, test.leak)
		}
		if test.leak && (len(found) != 1 || !strings.HasPrefix(found[0], "pool x: [")) {
			t.Errorf("%s: leaks = %v; want pool x with its values", name, found)
		}
	}
}

func TestLeaksNeedRounds(t *testing.T) {
	for n := range warmUp + 6 {
		if _, err := leaks(samples(n, func(int) int64 { return 0 })); err == nil {
			t.Errorf("%d rounds are enough", n)
		}
	}
}
