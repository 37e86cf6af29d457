package main

import (
	"encoding/json"
	"maps"
	"os"
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

// What a real kernel counted in twelve rounds of a suite that leaks nothing:
// pools that go up in steps, caches that fill. One object a round more, in any
// of those that are looked at and steady, is found.
func TestRealCounters(t *testing.T) {
	b, err := os.ReadFile("testdata/counters.json")
	if err != nil {
		t.Fatal(err)
	}
	var measured []protocol.Counters
	if err := json.Unmarshal(b, &measured); err != nil {
		t.Fatal(err)
	}
	if found, err := leaks(measured); err != nil || len(found) > 0 {
		t.Errorf("leaks = %v, %v; want none", found, err)
	}
	for _, name := range []string{"pool kcredpl", "pool file", "pool kmem-64", "kernel pages outside of pools"} {
		leaky := make([]protocol.Counters, len(measured))
		for i, c := range measured {
			leaky[i] = maps.Clone(c)
			leaky[i][name] += int64(i)
		}
		if found, err := leaks(leaky); err != nil || len(found) != 1 || !strings.HasPrefix(found[0], name+": ") {
			t.Errorf("with a leak of one %s a round: leaks = %v, %v", name, found, err)
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
