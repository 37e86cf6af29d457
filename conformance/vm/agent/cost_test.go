package main

import (
	"strings"
	"testing"
)

func TestCostTable(t *testing.T) {
	c := costs{}
	for i, place := range costPlaces {
		for _, op := range costOps {
			for _, ns := range []float64{100, 90, 500} { // the last one was disturbed
				c.add(place, op, ns*(1+float64(i)/10))
			}
		}
	}
	var b strings.Builder
	c.write(&b)
	lines := strings.Split(b.String(), "\n")
	if want := "# | kill | 100 | 1.100 | 1.200 | 1.300 | 1.400 |"; len(lines) != len(costOps)+3 || lines[len(costOps)+1] != want {
		t.Errorf("table:\n%s\nwant the last line %q", &b, want)
	}
}
