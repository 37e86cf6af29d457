package main

// What the module costs, as a table: ratios of medians, of the host's
// processes and of a cell's. A number is never right or wrong here.

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// costOps are what is measured, in the table's order.
var costOps = []string{"open", "stat", "fork", "exec", "bind", "kill"}

// costPlaces are where it is measured, all against the first.
var costPlaces = []string{"no module", "host, 1 cell", "host, 1000 cells", "member, 1 cell", "member, 1000 cells"}

// costs are the nanoseconds of an operation in a place, one for each round.
type costs map[string]map[string][]float64

func (c costs) add(place, op string, ns float64) {
	if c[place] == nil {
		c[place] = map[string][]float64{}
	}
	c[place][op] = append(c[place][op], ns)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// write prints the table as comments of a TAP document.
func (c costs) write(w io.Writer) {
	fmt.Fprintf(w, "# | | ns %s |\n# |%s\n", strings.Join(costPlaces, " | "), strings.Repeat("---|", len(costPlaces)+1))
	for _, op := range costOps {
		base := median(c[costPlaces[0]][op])
		fmt.Fprintf(w, "# | %s | %.0f |", op, base)
		for _, place := range costPlaces[1:] {
			fmt.Fprintf(w, " %.3f |", median(c[place][op])/base)
		}
		fmt.Fprintln(w)
	}
}
