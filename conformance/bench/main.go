// Bench measures runcell beside runc, crun, `unshare … chroot` and plain
// chroot on the same bundle, all interleaved in one run, and prints medians
// and ratios. Absolute times say little about another machine; ratios carry
// over. It compares commands among few containers and among many; then it does
// the same with the ways to unpack an image, counts the requests of a pull, and
// shows what small inputs make the image program spend;
// at last it compares our shim with containerd's. It judges nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

type options struct {
	runcell, runc, crun string
	rounds, warmup      int
	json                string
	cells, few          int

	imageMB, unpackRounds int
	image                 string

	containerd       string
	containerdRounds int
}

func main() {
	var o options
	flag.StringVar(&o.runcell, "runcell", "bin/runcell", "runcell binary")
	flag.StringVar(&o.runc, "runc", "/usr/sbin/runc", "runc binary")
	flag.StringVar(&o.crun, "crun", "/usr/bin/crun", "crun binary")
	flag.IntVar(&o.rounds, "rounds", 20, "measured rounds of the runtimes; 0: measure none")
	flag.IntVar(&o.warmup, "warmup", 3, "rounds before measuring")
	flag.IntVar(&o.cells, "cells", 500, "detached containers in one state directory for the table of many; 0: measure none")
	flag.IntVar(&o.few, "few", 10, "containers in the state directory that this is compared with")
	flag.StringVar(&o.json, "json", "", "write every sample to this file")
	flag.IntVar(&o.imageMB, "image-mb", 1000, "megabytes of the image to unpack; 0: measure no unpacking")
	flag.IntVar(&o.unpackRounds, "unpack-rounds", 5, "measured rounds of unpacking")
	flag.StringVar(&o.image, "image", "", "keep the image in this directory and take it from there the next time")
	flag.IntVar(&o.containerdRounds, "containerd-rounds", 30, "measured rounds of containerd's shims; 0: measure none")
	flag.StringVar(&o.containerd, "containerd", "", "take containerd, ctr and containerd-shim-runc-v2 from this directory; default: the system's")
	flag.Parse()
	if err := bench(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(o options) (err error) {
	dir, err := os.MkdirTemp("", "runcell-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	if o.runcell, err = filepath.Abs(o.runcell); err != nil {
		return err
	}
	samples := map[string][]float64{}
	var nasty []spent
	if o.rounds > 0 {
		if samples, err = benchRuntimes(o, dir); err != nil {
			return err
		}
	}
	if o.cells > 0 {
		many, err := benchMany(o, dir, os.Stdout)
		if err != nil {
			return fmt.Errorf("many cells: %w", err)
		}
		maps.Copy(samples, many)
	}
	if _, e := os.Stat(o.runcell + "-image"); e == nil {
		pulled, err := benchPull(o, dir, os.Stdout)
		if err != nil {
			return fmt.Errorf("pull: %w", err)
		}
		maps.Copy(samples, pulled)
	}
	if o.imageMB > 0 {
		unpacked, err := benchUnpack(o, os.Stdout)
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		maps.Copy(samples, unpacked)
		if err := benchNasty(o.runcell, dir, func(s spent) { nasty = append(nasty, s) }); err != nil {
			return fmt.Errorf("small inputs: %w", err)
		}
		printNasty(os.Stdout, nasty)
		for _, s := range nasty {
			key := "nasty/" + s.name + "/" + s.command
			samples[key+"/wall"], samples[key+"/rss"] = []float64{s.wall}, []float64{s.rss}
		}
	}
	if o.containerdRounds > 0 {
		compared, err := benchContainerd(o, os.Stdout)
		if err != nil {
			return fmt.Errorf("containerd: %w", err)
		}
		maps.Copy(samples, compared)
	}
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(samples, "", "\t")
	if err != nil {
		return fmt.Errorf("encode samples: %w", err)
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}

func benchRuntimes(o options, dir string) (_ map[string][]float64, err error) {
	w := &world{dir: dir, samples: map[key][]float64{}}
	if err := w.makeBundles(o); err != nil {
		return nil, err
	}
	if w.inside, err = privateLauncher(); err != nil {
		return nil, err
	}
	w.outside = plainLauncher{}
	w.subjects = subjects(o, w)
	w.measure(o.warmup, o.rounds)
	w.print(os.Stdout, o)
	return w.flat(), nil
}
