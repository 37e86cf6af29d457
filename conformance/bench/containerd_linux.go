package main

// What containerd's commands take with its own shim and with ours, each with a
// container of busybox, and what a shim keeps.

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/netbsd-cells/runcell/conformance/clients"
)

// daemon is a containerd with directories of its own.
type daemon struct {
	dir, bin string
	cmd      *exec.Cmd
	serial   int
	settle   time.Duration
}

// way is how containerd runs a container.
type way struct {
	name  string
	flags []string // of ctr run
	group string   // the annotation by which containers share a shim
	needs []string // programs
}

func ways(o options) []way {
	var list []way
	if o.base == "" {
		list = append(list, way{"runc.v2 + runc", []string{"--runc-binary", o.runc}, "io.containerd.runc.v2.group", []string{o.runc}})
	}
	for _, r := range o.runcells() {
		list = append(list, way{nameOverRunc + r.mark, []string{"--runc-binary", r.path}, "io.containerd.runc.v2.group", nil})
	}
	for _, r := range o.runcells() {
		shim := filepath.Join(filepath.Dir(r.path), "containerd-shim-runcell-v1")
		list = append(list, way{nameShim + r.mark, []string{"--runtime", shim}, "io.containerd.runcell.v1.group", []string{shim}})
	}
	return list
}

const (
	nameShim     = "runcell.v1"
	nameOverRunc = "runc.v2 + runcell"
)

// opCtr is a command of ctr that asks containerd for next to nothing.
const opCtr = "version"

// The columns.
var containerdOps = []string{opCtr, "run --rm", "run -d", "exec", "RSS MiB", "each further", "descriptors"}

func benchContainerd(o options, _ string, out io.Writer) (_ map[string][]float64, err error) {
	d, err := startDaemon(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	all := ways(o)
	samples := map[key][]float64{}
	for r := range o.warmup + o.containerdRounds {
		for i := range all {
			w := all[(i+r)%len(all)]
			took, err := d.round(w)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			for op, ms := range took {
				if r >= o.warmup {
					k := key{w.name, op}
					samples[k] = append(samples[k], ms)
				}
			}
		}
	}
	for _, w := range all {
		if err := d.rest(w, samples); err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	printContainerd(out, o, d.version(), all, samples)
	var limits []limit
	for _, op := range []string{"run --rm", "run -d", "exec"} {
		limits = append(limits, limit{op, "the start of ctr and an answer of containerd: ctr version", samples[key{nameShim, op}], samples[key{nameShim, opCtr}]})
	}
	printLimits(out, limits)
	flat := map[string][]float64{}
	for k, v := range samples {
		flat["containerd/"+k.subject+"/"+k.op] = v
	}
	return flat, nil
}

func startDaemon(o options) (*daemon, error) {
	dir, err := os.MkdirTemp("", "rcb") // short: names of sockets are
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir, bin: cmp.Or(o.containerd, "/usr/bin"), settle: o.settle}
	image, err := clients.Image()
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"config.toml": []byte(clients.Containerd(dir)), "busybox.tar": image} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return nil, err
		}
	}
	d.cmd = exec.Command(filepath.Join(d.bin, "containerd"), "--config", filepath.Join(dir, "config.toml"), "--log-level", "error")
	d.cmd.Env = append(os.Environ(), "PATH="+d.bin+":/usr/sbin:/usr/bin:/sbin:/bin")
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start containerd: %w", err)
	}
	for range 600 {
		if _, err = d.ctr("version"); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err == nil {
		_, err = d.ctr("image", "import", filepath.Join(dir, "busybox.tar"))
	}
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait() // ends as the signal says
	sweepGroups()
	return os.RemoveAll(d.dir)
}

func (d *daemon) version() string {
	text, _ := d.ctr("--version")
	return strings.TrimSpace(strings.TrimPrefix(text, "ctr "))
}

func (d *daemon) ctr(args ...string) (string, error) {
	c := exec.Command(filepath.Join(d.bin, "ctr"), append([]string{"--address", filepath.Join(d.dir, "c.sock")}, args...)...)
	c.Env = append(os.Environ(), "CONTAINERD_NAMESPACE="+ownName, "CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1")
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (d *daemon) run(w way, flags []string, program ...string) (id string, _ error) {
	d.serial++
	id = fmt.Sprintf("b%d", d.serial)
	args := append(append(append([]string{"run"}, flags...), w.flags...), clients.ImageName, id)
	_, err := d.ctr(append(args, program...)...)
	return id, err
}

// round times each operation once, in ms.
func (d *daemon) round(w way) (map[string]float64, error) {
	took := map[string]float64{}
	timed := func(op string, f func() error) error {
		began := time.Now()
		err := f()
		took[op] = float64(time.Since(began)) / float64(time.Millisecond)
		return err
	}
	if err := timed(opCtr, func() error { _, err := d.ctr("version"); return err }); err != nil {
		return nil, err
	}
	if err := timed("run --rm", func() error { _, err := d.run(w, []string{"--rm"}, "true"); return err }); err != nil {
		return nil, err
	}
	var id string
	err := timed("run -d", func() (err error) { id, err = d.run(w, []string{"-d"}, "sleep", "1000"); return err })
	if err == nil {
		err = timed("exec", func() error { _, err := d.ctr("task", "exec", "--exec-id", "x", id, "true"); return err })
	}
	return took, errors.Join(err, d.remove(id))
}

func (d *daemon) remove(id string) error {
	if _, err := d.ctr("task", "kill", "--signal", "KILL", id); err != nil {
		return err
	}
	var err error
	for range 200 {
		if _, err = d.ctr("task", "rm", "--force", id); err == nil || strings.Contains(err.Error(), "non-zero exit code") {
			_, err = d.ctr("container", "rm", id)
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// further is how many containers more a shim gets.
const further = 4

// rest looks at a shim that has nothing to do.
func (d *daemon) rest(w way, samples map[key][]float64) (err error) {
	var ids []string
	start := func() error {
		id, err := d.run(w, []string{"-d", "--annotation", w.group + "=bench"}, "sleep", "1000")
		ids = append(ids, id)
		return err
	}
	defer func() {
		for _, id := range ids {
			err = errors.Join(err, d.remove(id))
		}
	}()
	if err := start(); err != nil {
		return err
	}
	time.Sleep(d.settle)
	one, descriptors, err := d.shim()
	if err != nil {
		return err
	}
	for range further {
		if err := start(); err != nil {
			return err
		}
	}
	time.Sleep(d.settle)
	more, _, err := d.shim()
	samples[key{w.name, "RSS MiB"}] = []float64{one}
	samples[key{w.name, "each further"}] = []float64{(more - one) / further}
	samples[key{w.name, "descriptors"}] = []float64{float64(descriptors)}
	return err
}

// shim gives the resident memory, in MiB, and the number of descriptors of the
// one shim that there is.
func (d *daemon) shim() (mib float64, descriptors int, err error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, 0, err
	}
	for _, p := range dirs {
		line, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		if !strings.Contains(string(line), "containerd-shim-") || !strings.Contains(string(line), d.dir+"/c.sock\x00") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(p, "smaps_rollup"))
		if err != nil {
			return 0, 0, err
		}
		_, after, _ := strings.Cut(string(text), "Rss:")
		kib, err := strconv.Atoi(strings.Fields(after)[0])
		if err != nil {
			return 0, 0, err
		}
		fds, err := os.ReadDir(filepath.Join(p, "fd"))
		return float64(kib) / 1024, len(fds), err
	}
	return 0, 0, errors.New("find shim: there is none")
}

func printContainerd(out io.Writer, o options, version string, all []way, samples map[key][]float64) {
	fmt.Fprintf(out, "\n%s, %d rounds, interleaved: medians in ms and, in brackets, the ratio to the first's.\n", version, o.containerdRounds)
	fmt.Fprintf(out, "RSS and descriptors: of a shim %v after its one container was started; each further: MiB for each of %d more in the same.\n\n", o.settle, further)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\t%s\n", strings.Join(containerdOps, "\t"))
	for _, w := range all {
		cells := []string{w.name}
		for _, op := range containerdOps {
			m, base := median(samples[key{w.name, op}]), median(samples[key{all[0].name, op}])
			cells = append(cells, fmt.Sprintf("%.1f (%.2f)", m, m/base))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush()
}
