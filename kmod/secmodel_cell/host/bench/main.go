// Bench measures the kernel module's decision core: what a decision costs with
// 1 cell and with 1,000, in turns in one run. It runs on this machine; no
// kernel is needed. It judges nothing.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/secmodel_cell/host"
)

// target is what a decision at 1,000 cells may cost more than at 1.
const target = 1.1

func main() {
	module := flag.String("module", "kmod/secmodel_cell", "directory of the kernel module's sources")
	rounds := flag.Int("rounds", 15, "measured rounds")
	flag.Parse()
	if err := bench(os.Stdout, *module, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench compiles the core, runs its program, and prints a line a kind.
func bench(out io.Writer, module string, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "runcell-core-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	program := filepath.Join(dir, "core_bench")
	if err := host.Compile(module, "core_bench.c", program, host.NewRelease(), "-O2"); err != nil {
		return err
	}
	c := &exec.Cmd{Path: program, Args: []string{program, strconv.Itoa(rounds)}, Stderr: os.Stderr}
	text, err := c.Output()
	if err != nil {
		return fmt.Errorf("run core_bench: %w", err)
	}
	s, err := parse(text)
	if err != nil {
		return err
	}
	s.print(out, rounds)
	_, _ = fmt.Fprintf(out, "For comparison, policy.Decide in Go, which searches the table: %.0f ns.\n\n", goDecide())
	return nil
}

// samples are nanoseconds a decision, by kind of request and number of cells;
// kinds keeps the order.
type samples struct {
	kinds []string
	ns    map[string]map[int][]float64
}

// parse reads lines "KIND CELLS NS".
func parse(text []byte) (*samples, error) {
	s := &samples{ns: map[string]map[int][]float64{}}
	for line := range bytes.Lines(text) {
		var kind string
		var cells int
		var ns float64
		if _, err := fmt.Sscanf(string(line), "%s %d %g\n", &kind, &cells, &ns); err != nil {
			return nil, fmt.Errorf("read core_bench's line %q: %w", line, err)
		}
		if s.ns[kind] == nil {
			s.kinds = append(s.kinds, kind)
			s.ns[kind] = map[int][]float64{}
		}
		s.ns[kind][cells] = append(s.ns[kind][cells], ns)
	}
	for _, kind := range s.kinds {
		if len(s.ns[kind][1]) == 0 || len(s.ns[kind][1000]) == 0 {
			return nil, fmt.Errorf("core_bench measured %q not with 1 cell and 1,000", kind)
		}
	}
	if len(s.kinds) == 0 {
		return nil, fmt.Errorf("core_bench printed nothing")
	}
	return s, nil
}

func (s *samples) print(out io.Writer, rounds int) {
	_, _ = fmt.Fprintf(out, "The decision core of the kernel module, ns a decision, median of %d rounds, 1 and 1,000 cells in turns.\n", rounds)
	_, _ = fmt.Fprintf(out, "Each cell has 8 reserved ports and makes 16 requests in a row; mixed: 5 of process, 5 of network, 5 of device to 1 bind.\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "requests\t1 cell\t1,000 cells\tratio\t")
	for i, kind := range s.kinds {
		one, thousand := median(s.ns[kind][1]), median(s.ns[kind][1000])
		note := ""
		if i == 0 { // the mix
			note = fmt.Sprintf("target: at most %.1f", target)
		}
		_, _ = fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.2f\t%s\n", kind, one, thousand, thousand/one, note)
	}
	_ = t.Flush()
}

// goDecide gives the nanoseconds that the engine in Go takes, over all rows.
func goDecide() float64 {
	requests := make([]policy.Request, len(policy.Table))
	for i := range policy.Table {
		requests[i] = policy.Table[i].Example()
	}
	set := policy.Defaults(policy.High)
	var rounds []float64
	for range 11 {
		began := time.Now()
		for i := range requests {
			_ = policy.Decide(policy.High, set, requests[i])
		}
		rounds = append(rounds, float64(time.Since(began).Nanoseconds())/float64(len(requests)))
	}
	return median(rounds)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
