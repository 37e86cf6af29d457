// Command mutants takes guards out of the sources, one at a time, and runs the
// tests that should notice:
//
//	make mutants                             # the targets that are judged whole
//	make mutants RUN='^runtime/exec.go'      # those whose name matches, of any target
//	make mutants SAMPLE=20 SEED=7            # some, chosen by chance
//
// A mutant that no test fails on has survived. Each survivor has to be in the
// table of accepted.go, with a reason, and each entry there has to survive:
// else the command fails. It never writes into the tree: the compiler gets the
// changed file by -overlay.
//
// It needs root and Linux, as the tests do, and Go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

type options struct {
	run    *regexp.Regexp
	sample int
	seed   uint64
	jobs   int
	list   bool
	page   string
	quiet  bool
	stages int
	all    bool
}

func main() {
	if len(os.Args) > 4 && os.Args[1] == insideArg {
		os.Exit(inside(os.Args[2], os.Args[3], os.Args[4:]))
	}
	var o options
	run := flag.String("run", "", "only mutants whose name matches this `regexp`")
	flag.IntVar(&o.sample, "sample", 0, "only this `number` of them, chosen by chance; 0 = all")
	flag.Uint64Var(&o.seed, "seed", 1, "the `number` that the choice begins with")
	flag.IntVar(&o.jobs, "jobs", max(1, runtime.NumCPU()/2), "`number` of mutants at the same time")
	flag.BoolVar(&o.list, "list", false, "list the mutants and run nothing")
	flag.StringVar(&o.page, "page", "", "write the page about survivors to this `file`, and run nothing")
	flag.BoolVar(&o.quiet, "quiet", false, "no line for a mutant that is killed")
	flag.IntVar(&o.stages, "stages", 0, "only the first, quickest `number` of tests of each; 0 = all: what survives them may not survive the others")
	flag.BoolVar(&o.all, "all", false, "also those of targets that are not judged whole yet, as -run does")
	flag.Parse()
	o.all = o.all || *run != ""
	var err error
	if o.run, err = regexp.Compile(*run); err == nil {
		err = command(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// command does what the command line asks, from the module's directory.
func command(o options) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	all, err := find(root, targets)
	if err != nil {
		return err
	}
	if err := errors.Join(check(all, accepted)...); err != nil {
		return err
	}
	if o.page != "" {
		return os.WriteFile(o.page, page(targets, accepted), 0o644)
	}
	chosen := choose(all, o)
	for i := range targets { // which the mutants point to
		if t := &targets[i]; o.stages > 0 {
			t.tests = t.tests[:min(o.stages, len(t.tests))]
		}
	}
	if o.list {
		for _, m := range chosen {
			fmt.Fprintln(os.Stdout, m.key)
		}
		return nil
	}
	return judge(root, chosen, o)
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == "/" {
			return "", errors.New("find go.mod: run it inside of the module")
		}
	}
	return "", err
}

func choose(all []mutant, o options) []mutant {
	all = slices.DeleteFunc(slices.Clone(all), func(m mutant) bool { return !o.all && !m.target.judged || !o.run.MatchString(m.key) })
	if o.sample <= 0 || o.sample >= len(all) {
		return all
	}
	picked := rand.New(rand.NewPCG(o.seed, 0)).Perm(len(all))[:o.sample]
	slices.Sort(picked)
	some := make([]mutant, o.sample)
	for i, p := range picked {
		some[i] = all[p]
	}
	return some
}

// judge runs the tests against each mutant and counts.
func judge(root string, list []mutant, o options) error {
	c, err := newCourt(root, list)
	if err != nil {
		return err
	}
	defer c.close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() { <-stop; c.stop() }()
	verdicts := make([]verdict, len(list))
	var wg sync.WaitGroup
	next := make(chan int)
	for range max(1, o.jobs) {
		wg.Go(func() {
			for i := range next {
				verdicts[i] = c.try(&list[i])
				if v := verdicts[i]; !o.quiet || v.outcome != killed {
					fmt.Fprintf(os.Stdout, "%s\n", v.line(&list[i]))
				}
			}
		})
	}
	for i := range list {
		if c.ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if c.ctx.Err() != nil {
		return errors.New("ended by a signal")
	}
	return sum(list, verdicts)
}

// sum counts, and says what is not as accepted.go has it.
func sum(list []mutant, verdicts []verdict) error {
	count := map[outcome]int{}
	var faults []string
	excused := 0
	for i, v := range verdicts {
		count[v.outcome]++
		_, known := acceptedAs(list[i].key)
		switch {
		case v.outcome == survived && known:
			excused++
		case v.outcome == survived:
			faults = append(faults, "survived: "+list[i].key)
		case v.outcome == killed && known:
			faults = append(faults, "is killed, take it out of accepted.go: "+list[i].key)
		case v.outcome == broken:
			faults = append(faults, "could not be judged: "+list[i].key+": "+v.by)
		}
	}
	fmt.Fprintf(os.Stdout, "%d mutants: %d killed, %d survived, %d of them with a reason; %d more did not compile\n",
		len(list)-count[stillborn], count[killed], count[survived], excused, count[stillborn])
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "\n"))
	}
	return nil
}
