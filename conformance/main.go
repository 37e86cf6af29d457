// Command conformance runs black-box suites against any OCI runtime:
//
//	go run ./conformance --runtime PATH[,NAME] [--runtime …] [--run REGEXP]
//
// It prints TAP or JSON, writes a comparison table, and exits with 1 when a
// case fails that the table of known differences does not explain. It needs
// root, and Go to build the probe unless --probe names one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/runtime"
)

// suites are the suites that --suite can name.
var suites = []*harness.Suite{runtime.Suite}

// options are the command line.
type options struct {
	runtimes, peers []string
	suite           string
	run             string
	format          string
	table           string
	probe           string
	workdir         string
	jobs            int
	keep            bool
	list            bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == harness.WorkerArg {
		exitOn(harness.Work(os.Stdin, os.Stdout, suites))
		return
	}
	failed, err := run(parse())
	exitOn(err)
	if failed {
		os.Exit(1)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
}

func parse() options {
	var o options
	flag.Func("runtime", "runtime to test, `PATH[,NAME]`; may be repeated", func(s string) error {
		o.runtimes = append(o.runtimes, s)
		return nil
	})
	flag.Func("peer", "runtime that checks the suite, `PATH[,NAME]`: a case is wrong if all peers fail it; may be repeated", func(s string) error {
		o.peers = append(o.peers, s)
		return nil
	})
	jobs := 2 * goruntime.NumCPU() // cases wait more than they compute
	if goruntime.GOOS == "netbsd" {
		jobs = 1 // leftovers can only be told apart one case at a time
	}
	flag.StringVar(&o.suite, "suite", "runtime", "`suite` to run")
	flag.StringVar(&o.run, "run", "", "run only cases whose name matches this `regexp`")
	flag.StringVar(&o.format, "format", "tap", "`tap` or json")
	flag.StringVar(&o.table, "table", "", "also write the comparison table to this `file`")
	flag.StringVar(&o.probe, "probe", "", "a ready built probe (`file`); default: build it")
	flag.StringVar(&o.workdir, "workdir", "", "make bundles below this `directory`; default: the system's")
	flag.IntVar(&o.jobs, "jobs", jobs, "`number` of cases at the same time")
	flag.BoolVar(&o.keep, "keep", false, "keep the directories of failed cases")
	flag.BoolVar(&o.list, "list", false, "list the cases and run none")
	flag.Parse()
	if flag.NArg() > 0 {
		exitOn(fmt.Errorf("parse arguments: unexpected %q", flag.Args()))
	}
	return o
}

// run does what the command line asks; failed says that a case did.
func run(o options) (failed bool, err error) {
	r, err := prepare(o)
	if err != nil || o.list {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.WorkDir)) }()
	if r.Probe, err = probe(o.probe, r.WorkDir); err != nil {
		return false, err
	}
	report := &harness.Report{Suite: r.Suite.Name, Runtimes: r.Targets, Results: []harness.Result{}}
	var tap *harness.TAP
	if o.format == "tap" {
		tap = harness.NewTAP(os.Stdout)
	}
	err = r.Do(func(result harness.Result) {
		report.Results = append(report.Results, result)
		report.Summary.Add(result)
		if tap != nil {
			tap.Print(result)
		}
	})
	if err != nil {
		return false, err
	}
	report.Judge()
	if tap != nil {
		tap.Close(report.Summary)
	} else if err := report.Write(os.Stdout); err != nil {
		return false, err
	}
	return report.Summary.Failed > 0, writeTable(o.table, report)
}

// prepare finds the suite, its cases and the runtimes.
func prepare(o options) (*harness.Run, error) {
	r := &harness.Run{Jobs: o.jobs, Keep: o.keep}
	var names []string
	for _, s := range suites {
		names = append(names, s.Name)
		if s.Name == o.suite {
			r.Suite = s
		}
	}
	if r.Suite == nil {
		return nil, fmt.Errorf("find suite %q: there is only %s", o.suite, strings.Join(names, ", "))
	}
	if err := r.Suite.Check(); err != nil {
		return nil, err
	}
	match, err := regexp.Compile(o.run)
	if err != nil {
		return nil, fmt.Errorf("read --run: %w", err)
	}
	r.Cases = r.Suite.Select(match)
	if o.list {
		for _, c := range r.Cases {
			fmt.Printf("%s\t%s\t%s\n", c.Name, c.Clause, c.Does)
		}
		return r, nil
	}
	switch {
	case o.format != "tap" && o.format != "json":
		return nil, fmt.Errorf("read --format: %q is neither tap nor json", o.format)
	case len(o.runtimes) == 0:
		return nil, errors.New("no runtime: give --runtime PATH")
	case len(r.Cases) == 0:
		return nil, fmt.Errorf("no case matches %q", o.run)
	case os.Geteuid() != 0:
		return nil, errors.New("must be root: cases make containers, mounts and other users' processes")
	}
	for i, arg := range append(o.runtimes, o.peers...) {
		t, err := harness.ParseTarget(arg)
		if err != nil {
			return nil, err
		}
		t.Peer = i >= len(o.runtimes)
		r.Targets = append(r.Targets, t)
	}
	if r.WorkDir, err = os.MkdirTemp(o.workdir, "conformance-"); err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	if r.WorkDir, err = filepath.Abs(r.WorkDir); err != nil {
		return nil, fmt.Errorf("find work directory: %w", err)
	}
	return r, os.Chmod(r.WorkDir, 0o755) // containers run as other users
}

// probe puts the probe into the work directory, so that a bundle can link to
// it: a copy of the given one, or built from source.
func probe(given, workdir string) (string, error) {
	path := filepath.Join(workdir, "probe")
	if given != "" {
		b, err := os.ReadFile(given)
		if err != nil {
			return "", fmt.Errorf("read probe: %w", err)
		}
		return path, os.WriteFile(path, b, 0o755)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path,
		"github.com/netbsd-cells/runcell/conformance/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build probe (or give one with --probe): %w\n%s", err, out)
	}
	return path, nil
}

func writeTable(path string, report *harness.Report) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make table: %w", err)
	}
	return errors.Join(harness.Table(f, report), f.Close())
}
