package main

// What a command costs beside few containers and beside many: two state
// directories, asked in turns.

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
)

// crowd is a state directory with idle containers.
type crowd struct {
	state string
	made  []string // ids
}

// manyRounds are enough for medians of what differs by a few percent.
const manyRounds = 30

// benchMany prints medians of run, state, list and metrics, and the ratio.
func benchMany(o options, dir string, out io.Writer) (_ map[string][]float64, err error) {
	w := &world{dir: filepath.Join(dir, "many"), samples: map[key][]float64{}}
	if err := w.makeBundles(o); err != nil {
		return nil, err
	}
	few, many := &crowd{state: filepath.Join(w.dir, "few")}, &crowd{state: filepath.Join(w.dir, "state")}
	defer func() { err = errors.Join(err, few.disperse(o), many.disperse(o)) }()
	if err := errors.Join(few.gather(o, w, o.few), many.gather(o, w, o.cells)); err != nil {
		return nil, err
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
	note := func(key string, u usage) {
		samples[key+"/wall"] = append(samples[key+"/wall"], ms(u.wall))
		samples[key+"/cpu"] = append(samples[key+"/cpu"], ms(u.cpu))
	}
	for range manyRounds {
		for _, op := range ops {
			for name, c := range map[string]*crowd{"few": few, "many": many} {
				u, err := run(plainLauncher{}, c.command(o, op.argv...)...)
				if err != nil {
					return nil, err
				}
				note("cells/"+name+"/"+op.name, u)
			}
		}
	}
	_, _ = fmt.Fprintf(out, "\nOne state directory with %d idle containers, and one with %d: medians of %d, in ms, and their ratio.\n\n", o.few, o.cells, manyRounds)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "\twall, %d\twall, %d\tratio\tCPU, %d\tCPU, %d\tratio\n", o.few, o.cells, o.few, o.cells)
	for _, op := range ops {
		_, _ = fmt.Fprint(t, op.name)
		for _, what := range []string{"wall", "cpu"} {
			a, b := median(samples["cells/few/"+op.name+"/"+what]), median(samples["cells/many/"+op.name+"/"+what])
			_, _ = fmt.Fprintf(t, "\t%.1f\t%.1f\t%.2f", a, b, b/a)
		}
		_, _ = fmt.Fprintln(t)
	}
	return samples, t.Flush()
}

func (c *crowd) command(o options, args ...string) []string {
	return append([]string{o.runcell, "--root", c.state}, args...)
}

// gather starts containers that sleep.
func (c *crowd) gather(o options, w *world, n int) error {
	for i := range n {
		id := fmt.Sprintf("c%d", i+1)
		if _, err := run(plainLauncher{}, c.command(o, "run", "--detach", "--bundle", w.bundle(bundleSleep), id)...); err != nil {
			return err
		}
		c.made = append(c.made, id)
	}
	return nil
}

func (c *crowd) disperse(o options) error {
	var errs []error
	for _, id := range c.made {
		_, err := run(plainLauncher{}, c.command(o, "delete", "--force", id)...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
