package main

// The parts of a run, in its order.

import (
	"errors"
	"io"
	"os"
	"strings"
)

// part measures something, prints its table and gives every sample, by its
// name. dir is its own, and is removed in the end.
type part struct {
	name     string
	wanted   func(options) bool
	compares bool // with another revision's runcell
	measure  func(o options, dir string, out io.Writer) (map[string][]float64, error)
}

var parts = []part{
	{"runtimes", func(o options) bool { return o.rounds > 0 }, true, benchRuntimes},
	{"loaded", func(o options) bool { return o.rounds > 0 && o.load > 0 }, true, benchLoaded},
	{"beside", func(o options) bool { return o.rounds > 0 && o.load > 0 }, true, benchBeside},
	{"starts", func(o options) bool { return o.starts > 0 }, true, benchStarts},
	{"density", func(o options) bool { return o.idle > 0 }, false, benchDensity},
	{"many", func(o options) bool { return len(o.cells) > 0 }, false, benchMany},
	{"pull", hasImageProgram, true, benchPull},
	{"far", func(o options) bool { return o.farRounds > 0 && hasImageProgram(o) }, true, benchFar},
	{"first", func(o options) bool { return o.firstRounds > 0 && hasImageProgram(o) }, true, benchFirst},
	{"unpack", func(o options) bool { return o.imageMB > 0 }, true, benchUnpack},
	{"pack", func(o options) bool { return o.packRounds > 0 && hasImageProgram(o) }, true, benchPack},
	{"small", func(o options) bool { return o.imageMB > 0 }, false, benchSmall},
	{"containerd", func(o options) bool { return o.containerdRounds > 0 }, true, benchContainerd},
}

func hasImageProgram(o options) bool {
	_, err := os.Stat(o.runcell + "-image")
	return err == nil
}

func partNames() string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// benchSmall shows what small inputs cost.
func benchSmall(o options, dir string, out io.Writer) (map[string][]float64, error) {
	var nasty []spent
	if err := benchNasty(o.runcell, dir, func(s spent) { nasty = append(nasty, s) }); err != nil {
		return nil, err
	}
	printNasty(out, nasty)
	samples := map[string][]float64{}
	for _, s := range nasty {
		key := "nasty/" + s.name + "/" + s.command
		samples[key+"/wall"], samples[key+"/rss"] = []float64{s.wall}, []float64{s.rss}
	}
	return samples, nil
}

func benchRuntimes(o options, dir string, out io.Writer) (map[string][]float64, error) {
	return runtimesTable(o, &world{dir: dir}, "", out)
}

// newWorld completes a world that has its directory.
func newWorld(o options, w *world) (_ *world, err error) {
	w.samples = map[key][]float64{}
	if err := errors.Join(w.makeBundles(o), os.MkdirAll(w.states(o), 0o700)); err != nil {
		return nil, err
	}
	if w.inside, err = privateLauncher(); err != nil {
		return nil, err
	}
	w.outside = plainLauncher{}
	w.subjects = subjects(o, w)
	return w, nil
}

// runtimesTable measures and prints; the samples' names begin with prefix.
func runtimesTable(o options, w *world, prefix string, out io.Writer) (map[string][]float64, error) {
	w, err := newWorld(o, w)
	if err != nil {
		return nil, err
	}
	w.measure(o.warmup, o.rounds)
	w.print(out, o)
	return w.flat(prefix), nil
}
