// Bench measures runcell beside runc, crun, `unshare … chroot` and plain
// chroot on the same bundle, all interleaved in one run, and prints medians
// and ratios. Absolute times say little about another machine; ratios carry
// over. It judges nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

type options struct {
	runcell, runc, crun string
	rounds, warmup      int
	json                string
}

func main() {
	var o options
	flag.StringVar(&o.runcell, "runcell", "bin/runcell", "runcell binary")
	flag.StringVar(&o.runc, "runc", "/usr/sbin/runc", "runc binary")
	flag.StringVar(&o.crun, "crun", "/usr/bin/crun", "crun binary")
	flag.IntVar(&o.rounds, "rounds", 20, "measured rounds")
	flag.IntVar(&o.warmup, "warmup", 3, "rounds before measuring")
	flag.StringVar(&o.json, "json", "", "write every sample to this file")
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
	w := &world{dir: dir, samples: map[key][]float64{}}
	if err := w.makeBundles(o); err != nil {
		return err
	}
	if w.inside, err = privateLauncher(); err != nil {
		return err
	}
	w.outside = plainLauncher{}
	w.subjects = subjects(o, w)
	w.measure(o.warmup, o.rounds)
	w.print(os.Stdout, o)
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(w.flat(), "", "\t")
	if err != nil {
		return fmt.Errorf("encode samples: %w", err)
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}
