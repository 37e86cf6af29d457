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
	"time"
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

// benchMany prints medians of run, of a run whose program binds a port that is its
// cell's, of exec, state, list and metrics, and their ratios to those beside the
// smallest crowd.
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
		{"bind", []string{"run", "--bundle", w.bundle(bundleBind), "one"}},
		{"exec", []string{"exec", "c1", "/bin/true"}},
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

// say tells how far a crowd is, every few seconds: where thousands are slow,
// silence would be taken for a hang.
func (c *crowd) say(said time.Time, n int, done string) time.Time {
	if time.Since(said) < 10*time.Second {
		return said
	}
	fmt.Fprintf(os.Stderr, "# %d of %d containers %s\n", n, c.size, done)
	return time.Now()
}

// gather starts containers that sleep.
func (c *crowd) gather(o options, w *world) error {
	said := time.Now()
	for i := range c.size {
		id := fmt.Sprintf("c%d", i+1)
		if _, err := run(plainLauncher{}, c.command(o, "run", "--detach", "--bundle", w.bundle(bundleSleep), id)...); err != nil {
			return err
		}
		c.made = append(c.made, id)
		said = c.say(said, len(c.made), "made")
	}
	return nil
}

func (c *crowd) disperse(o options) error {
	var errs []error
	said := time.Now()
	for i, id := range c.made {
		_, err := run(plainLauncher{}, c.command(o, "delete", "--force", id)...)
		errs = append(errs, err)
		said = c.say(said, i+1, "deleted")
	}
	return errors.Join(errs...)
}

func total(list []int) (sum int) {
	for _, n := range list {
		sum += n
	}
	return sum
}
