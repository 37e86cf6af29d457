// Bench measures runcell beside runc, crun, `unshare … chroot` and plain
// chroot on the same bundle, all interleaved in one run, and prints medians,
// ratios, and what limits a row. Absolute times say little about another machine; ratios carry
// over. The parts of a run are the table in parts.go: commands on a quiet and on a busy machine,
// what idle cells cost, what is done with images, and containerd's shims. With another revision of
// runcell it compares the two, and benchstat says which rows differ.
// It judges nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

type options struct {
	runcell, runc, crun string
	rounds, warmup      int
	json                string
	only                *regexp.Regexp

	tree, revision string // the repository, and what of it to compare with
	base           string // that revision's runcell, once it is built
	benchstat      string

	load, starts int

	idle  int
	guest string

	cells   []int // sorted; none: no table of many
	lean    bool  // without mounts but their root
	busybox string
	states  string // where state directories are made, and then the bench's own directory there

	farMB, farRounds int

	firstMB, firstRounds int

	imageMB, unpackRounds int
	image                 string

	packMB, packRounds int

	containerd       string
	containerdRounds int
	settle           time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.runcell, "runcell", "bin/runcell", "runcell binary")
	flag.StringVar(&o.runc, "runc", "/usr/sbin/runc", "runc binary")
	flag.StringVar(&o.crun, "crun", "/usr/bin/crun", "crun binary")
	flag.IntVar(&o.rounds, "rounds", 20, "measured rounds of the runtimes; 0: measure none")
	flag.IntVar(&o.warmup, "warmup", 3, "rounds before measuring")
	flag.IntVar(&o.load, "load", 0, "busy processes for the table of the runtimes beside them; 0: no such table, and none beside other starts")
	flag.IntVar(&o.starts, "starts", 200, "starts of each, eight at a time; 0: measure none")
	flag.IntVar(&o.idle, "idle", 4, "idle cells of each way, to see what one costs; 0: look at none")
	flag.StringVar(&o.guest, "guest", "", "Linux kernel for the virtual machine that this is compared with")
	flag.DurationVar(&o.settle, "settle", 35*time.Second, "how long shims are left alone before they are looked at: ours gives its memory back after two seconds, containerd's at times")
	cells := flag.String("cells", "10,500", "`numbers` of detached containers in one state directory for the table of many; empty: no such table")
	flag.BoolVar(&o.lean, "lean", false, "those have no mounts but their root")
	flag.StringVar(&o.busybox, "busybox", "/bin/busybox", "static busybox for the bundles")
	flag.StringVar(&o.states, "states", memoryDir(), "make the runtimes' state directories in this `directory`; default: a tmpfs, as /run is")
	flag.StringVar(&o.json, "json", "", "write every sample to this file")
	only := flag.String("run", "", "only the parts whose name matches: "+partNames())
	flag.StringVar(&o.revision, "base", "", "build this revision, measure runcell beside it and compare the two")
	flag.StringVar(&o.tree, "tree", ".", "the repository that has it")
	flag.StringVar(&o.benchstat, "benchstat", "bin/tools/benchstat", "benchstat, which does that: make benchstat")
	flag.IntVar(&o.farMB, "far-mb", 24, "megabytes of the image to pull from a registry that is far away")
	flag.IntVar(&o.farRounds, "far-rounds", 10, "measured rounds of that; 0: measure none")
	flag.IntVar(&o.firstMB, "first-mb", 200, "megabytes of the image of which a program is run")
	flag.IntVar(&o.firstRounds, "first-rounds", 10, "measured rounds of that; 0: measure none")
	flag.IntVar(&o.packMB, "pack-mb", 100, "megabytes of the tree to pack")
	flag.IntVar(&o.packRounds, "pack-rounds", 5, "measured rounds of that; 0: measure none")
	flag.IntVar(&o.imageMB, "image-mb", 1000, "megabytes of the image to unpack; 0: measure no unpacking")
	flag.IntVar(&o.unpackRounds, "unpack-rounds", 5, "measured rounds of unpacking")
	flag.StringVar(&o.image, "image", "", "keep the image in this directory and take it from there the next time")
	flag.IntVar(&o.containerdRounds, "containerd-rounds", 30, "measured rounds of containerd's shims; 0: measure none")
	flag.StringVar(&o.containerd, "containerd", "", "take containerd, ctr and containerd-shim-runc-v2 from this directory; default: the system's")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		o.cells, err = numbers(*cells)
	}
	if err == nil {
		err = bench(o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// memoryDir is a tmpfs where there is one, so that the disk is not what is
// measured; else where temporary files are.
func memoryDir() string {
	if _, err := os.Stat("/dev/shm"); err == nil {
		return "/dev/shm"
	}
	return os.TempDir()
}

func bench(o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "runcell-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	if o.states, err = os.MkdirTemp(o.states, "runcell-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.states)) }()
	if o.runcell, err = filepath.Abs(o.runcell); err != nil {
		return err
	}
	if o.revision != "" {
		if o.base, err = buildBase(o, filepath.Join(dir, "base")); err != nil {
			return fmt.Errorf("build revision %s: %w", o.revision, err)
		}
	}
	remove, err := o.installAll()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	rec := newRecord(o)
	for _, p := range parts {
		if !o.only.MatchString(p.name) || !p.wanted(o) || o.base != "" && !p.compares {
			continue
		}
		own := filepath.Join(dir, p.name)
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		samples, err := p.measure(o, own, out)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		maps.Copy(rec.samples, samples)
	}
	if o.json != "" {
		if err := rec.write(o.json); err != nil {
			return fmt.Errorf("write samples: %w", err)
		}
	}
	if o.base == "" {
		return nil
	}
	return verdicts(o, dir, rec.samples, out)
}
