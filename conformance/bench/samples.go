package main

// What a run leaves behind: every sample, and where it was taken.

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// record is the file of samples.
type record struct {
	Runcell string            `json:"runcell"` // what --version says
	Base    string            `json:"base,omitempty"`
	System  string            `json:"system"`
	CPUs    int               `json:"cpus"`
	Load    [2]string         `json:"load"` // of the last minute, before and after
	Rows    map[string]series `json:"rows"`

	options options
	samples map[string][]float64
}

// series is a row: what was measured, in the order of the rounds.
type series struct {
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
}

func newRecord(o options) *record {
	r := &record{System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), samples: map[string][]float64{}, options: o}
	r.Load[0] = load()
	return r
}

func (r *record) write(file string) error {
	r.Load[1] = load()
	r.Runcell = versionOf(r.options.runcell)
	if r.options.base != "" {
		r.Base = versionOf(r.options.base)
	}
	r.Rows = map[string]series{}
	for name, values := range r.samples {
		r.Rows[name] = series{unitOf(name).name, values}
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("encode samples: %w", err)
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// versionOf is all that --version says, in a line.
func versionOf(runcell string) string {
	_, text, err := capture(plainLauncher{}, runcell, "--version")
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", ", ")
}

// unit is what a sample counts, and how benchstat knows it: there, an amount of
// what has a name of its own.
type unit struct {
	name, known string
	times       float64
}

var (
	milliseconds = unit{"ms", "sec/op", 1e-3}
	seconds      = unit{"s", "sec/op", 1}
	mebibytes    = unit{"MiB", "peak-B", 1 << 20}
)

// unitRule gives the unit of the rows whose names begin and end so.
type unitRule struct {
	begin, end string
	unit       unit
}

// units has the first that fits. Other rows are in ms.
var units = []unitRule{
	{"unpack/", "/wall", seconds},
	{"unpack/", "/cpu", seconds},
	{"pack/", "/wall", seconds},
	{"pack/", "/cpu", seconds},
	{"nasty/", "/wall", seconds},
	{"", "/rss", mebibytes},
	{"", "/" + opRSS, mebibytes},
	{"", "/RSS MiB", mebibytes},
	{"", "/each further", mebibytes},
	{"", "/descriptors", unit{"descriptors", "descriptors", 1}},
	{"", "/" + opSwitches, unit{"switches of context", "switches", 1}},
	{"", "/" + opFaults, unit{"page faults", "faults", 1}},
	{"", "/" + opLeft, unit{"processes", "processes", 1}},
	{"", "/" + opPerSecond, unit{"starts a second", "starts/s", 1}},
	{"", "/GET", unit{"requests", "requests", 1}},
	{"", "/HEAD", unit{"requests", "requests", 1}},
}

func unitOf(name string) unit {
	for _, u := range units {
		if strings.HasPrefix(name, u.begin) && strings.HasSuffix(name, u.end) {
			return u.unit
		}
	}
	return milliseconds
}
