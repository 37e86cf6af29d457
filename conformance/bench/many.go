package main

// What a command costs beside few containers and beside many: state
// directories of several sizes, asked in turns.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// crowd is a state directory with idle containers.
type crowd struct {
	size  int
	state string
	made  []string // ids
}

// manyRounds are enough for medians of what differs by a few percent.
const manyRounds = 30

// numbers reads sizes with commas between, and sorts them.
func numbers(text string) (list []int, err error) {
	for field := range strings.SplitSeq(text, ",") {
		if text == "" {
			break
		}
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("read -cells=%s: %q is no number of containers: give some as 10,500", text, field)
		}
		list = append(list, n)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// benchMany prints medians of run, state, list and metrics, and their ratios to
// those beside the smallest crowd.
func benchMany(o options, dir string, out io.Writer) (_ map[string][]float64, err error) {
	w := &world{dir: filepath.Join(dir, "many"), samples: map[key][]float64{}}
	if err := w.makeBundles(o); err != nil {
		return nil, err
	}
	var crowds []*crowd
	defer func() {
		for _, c := range crowds {
			err = errors.Join(err, c.disperse(o))
		}
	}()
	for _, n := range o.cells {
		c := &crowd{size: n, state: filepath.Join(o.states, "many-"+strconv.Itoa(n))}
		crowds = append(crowds, c)
		if err := c.gather(o, w); err != nil {
			return nil, err
		}
	}
	ops := []struct {
		name string
		argv []string
	}{
		{"run", []string{"run", "--bundle", w.bundle(bundleTrue), "one"}},
		{"state", []string{"state", "c1"}},
		{"list", []string{"list"}},
		{"metrics", []string{"metrics"}},
	}
	samples := map[string][]float64{}
	for range manyRounds {
		for _, op := range ops {
			for _, c := range crowds {
				u, err := run(plainLauncher{}, c.command(o, op.argv...)...)
				if err != nil {
					return nil, err
				}
				c.note(samples, op.name, u)
			}
		}
	}
	_, _ = fmt.Fprintf(out, "\nState directories with so many idle containers: medians of %d in ms and, in brackets, the ratio to the first's.\n\n", manyRounds)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, what := range []string{"wall", "cpu"} {
		for _, c := range crowds {
			_, _ = fmt.Fprintf(t, "\t%s, %d", what, c.size)
		}
	}
	_, _ = fmt.Fprintln(t)
	for _, op := range ops {
		_, _ = fmt.Fprint(t, op.name)
		for _, what := range []string{"wall", "cpu"} {
			first := median(samples[crowds[0].key(op.name, what)])
			for _, c := range crowds {
				m := median(samples[c.key(op.name, what)])
				_, _ = fmt.Fprintf(t, "\t%.1f (%.2f)", m, m/first)
			}
		}
		_, _ = fmt.Fprintln(t)
	}
	return samples, t.Flush()
}

func (c *crowd) key(op, what string) string { return fmt.Sprintf("cells/%d/%s/%s", c.size, op, what) }

func (c *crowd) note(samples map[string][]float64, op string, u usage) {
	for what, v := range map[string]float64{"wall": ms(u.wall), "cpu": ms(u.cpu)} {
		samples[c.key(op, what)] = append(samples[c.key(op, what)], v)
	}
}

func (c *crowd) command(o options, args ...string) []string {
	return append([]string{o.runcell, "--root", c.state}, args...)
}

// gather starts containers that sleep. It says how far it is: where thousands
// are slow, silence would be taken for a hang.
func (c *crowd) gather(o options, w *world) error {
	for i := range c.size {
		id := fmt.Sprintf("c%d", i+1)
		if _, err := run(plainLauncher{}, c.command(o, "run", "--detach", "--bundle", w.bundle(bundleSleep), id)...); err != nil {
			return err
		}
		c.made = append(c.made, id)
		if len(c.made)%10 == 0 {
			fmt.Fprintf(os.Stderr, "# %d of %d containers\n", len(c.made), c.size)
		}
	}
	return nil
}

func (c *crowd) disperse(o options) error {
	var errs []error
	for i, id := range c.made {
		_, err := run(plainLauncher{}, c.command(o, "delete", "--force", id)...)
		errs = append(errs, err)
		if (i+1)%10 == 0 {
			fmt.Fprintf(os.Stderr, "# %d of %d containers deleted\n", i+1, c.size)
		}
	}
	return errors.Join(errs...)
}

func total(list []int) (sum int) {
	for _, n := range list {
		sum += n
	}
	return sum
}
