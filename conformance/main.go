// Command conformance runs black-box suites against any OCI runtime, and
// against the kernel interface for cells of the machine it runs on:
//
//	go run ./conformance --runtime PATH[,NAME] [--runtime …] [--run REGEXP]
//	go run ./conformance --suite kmod [--run REGEXP]
//
// It prints TAP or JSON, writes a comparison table, and exits with 1 when a
// case fails that the table of known differences does not explain. It needs
// root, and Go to build the probe unless --probe names one.
package main

import (
	"debug/elf"
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
	"github.com/netbsd-cells/runcell/conformance/kmod"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/conformance/runtime"
)

// suites are the suites that --suite can name.
var suites = []*harness.Suite{runtime.Suite, kmod.Suite}

// The main goroutine keeps the main thread, whose mounts /proc/self shows: a
// case may give any other thread namespaces of its own.
func init() { goruntime.LockOSThread() }

// options are the command line.
type options struct {
	runtimes, peers []string
	suite           string
	run             string
	format          string
	table           string
	recorded        []string
	probe           string
	workdir         string
	jobs            int
	keep            bool
	list            bool
}

func main() {
	exitOn(loadSuites())
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case harness.WorkerArg:
			exitOn(harness.Work(os.Stdin, os.Stdout, suites))
			return
		case agent.Arg:
			os.Exit(agent.Main(os.Args[2:]))
		case driverArg:
			exitOn(drive(os.Args[2:]))
			return
		case execArg:
			exitOn(underFilter(os.Args[2:]))
			return
		}
	}
	harness.Heed()
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
	flag.Func("recorded", "also show in the table what this suite printed as TAP on another machine, kept in this `file`; may be repeated", func(s string) error {
		o.recorded = append(o.recorded, s)
		return nil
	})
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
	defer func() {
		if !o.keep || !failed {
			err = errors.Join(err, os.RemoveAll(r.WorkDir))
		}
	}()
	if r.Probe, err = probe(o.probe, r); err != nil {
		return false, err
	}
	report := &harness.Report{Suite: r.Suite.Name, Runtimes: r.Targets, Results: []harness.Result{}, Intro: r.Suite.Intro}
	var tap *harness.TAP
	if o.format == "tap" {
		tap = harness.NewTAP(os.Stdout)
		for _, t := range r.Targets {
			tap.Tested(t)
		}
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
	report.Judge(r.Suite.Compares)
	if tap != nil {
		tap.Close(report.Summary)
	} else if err := report.Write(os.Stdout); err != nil {
		return false, err
	}
	return report.Summary.Failed > 0, writeTable(o, r.Suite, report)
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
	case len(o.runtimes) == 0 && r.Suite.Subject == nil:
		return nil, errors.New("no runtime: give --runtime PATH")
	case len(o.runtimes)+len(o.peers) > 0 && r.Suite.Subject != nil:
		return nil, fmt.Errorf("suite %s tests this machine: leave out --runtime and --peer", r.Suite.Name)
	case len(r.Cases) == 0:
		return nil, fmt.Errorf("no case matches %q", o.run)
	case os.Geteuid() != 0:
		return nil, errors.New("must be root: cases make containers, mounts and other users' processes")
	}
	if r.Targets, err = targets(o, r.Suite); err != nil {
		return nil, err
	}
	if r.WorkDir, err = os.MkdirTemp(o.workdir, "conformance-"); err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	if r.WorkDir, err = filepath.Abs(r.WorkDir); err != nil {
		return nil, fmt.Errorf("find work directory: %w", err)
	}
	return r, os.Chmod(r.WorkDir, 0o755) // containers run as other users
}

// targets finds what is tested: the machine, or the runtimes that were given.
func targets(o options, s *harness.Suite) ([]harness.Target, error) {
	if s.Subject != nil {
		t, err := s.Subject()
		return []harness.Target{t}, err
	}
	var found []harness.Target
	for i, arg := range append(o.runtimes, o.peers...) {
		t, err := harness.ParseTarget(arg)
		if err != nil {
			return nil, err
		}
		t.Peer = i >= len(o.runtimes)
		found = append(found, t)
	}
	return found, nil
}

// probe puts the probe into the work directory, so that a root can link to
// it: a copy of the given one, this program, or built from source.
func probe(given string, r *harness.Run) (string, error) {
	path := filepath.Join(r.WorkDir, "probe")
	if r.Suite.Subject != nil {
		self, err := staticSelf()
		if err != nil {
			return "", err
		}
		given = self
	}
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

// staticSelf is this program, which has to run where there is nothing else.
func staticSelf() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own program: %w", err)
	}
	f, err := elf.Open(self)
	if err != nil {
		return "", fmt.Errorf("read own program: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return "", errors.New("this program needs a dynamic linker, which a cell lacks: build it with CGO_ENABLED=0")
		}
	}
	return self, nil
}

func writeTable(o options, s *harness.Suite, report *harness.Report) error {
	if o.table == "" {
		return nil
	}
	for _, path := range o.recorded {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("open record: %w", err)
		}
		rec, err := harness.ReadRecord(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		rec.Append(report, s)
	}
	f, err := os.Create(o.table)
	if err != nil {
		return fmt.Errorf("make table: %w", err)
	}
	return errors.Join(harness.Table(f, report), f.Close())
}
