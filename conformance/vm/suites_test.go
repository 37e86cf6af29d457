package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/conformance/harness"
)

func TestPlansGolden(t *testing.T) {
	var got strings.Builder
	for _, s := range suites {
		plan, err := makePlan([]string{s.name}, want{prefix: "/", run: "^kill", rounds: 2}, have{module: true, foreign: true})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s: %s\n", s.name, s.does)
		for _, step := range plan.Steps {
			fmt.Fprintf(&got, "  %-32s %-9s %s", step.Name, step.Do, strings.Join(step.Args, " "))
			if step.Quiet {
				got.WriteString(" [quiet]")
			}
			got.WriteByte('\n')
		}
	}
	golden := filepath.Join("testdata", "plans.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.String() != string(want) {
		t.Errorf("plans (%v):\n%s\nwant:\n%s", err, got.String(), want)
	}
}

// A room that gets tests gets into the guest.
func TestRooms(t *testing.T) {
	notThere := map[string]bool{ // they only compute
		"image/.": true, "image/internal/inflate": true, "image/trust": true, "pkg/.": true,
		"kmod/.": true, "kmod/policy": true, "kmod/wire": true,
		"kmod/emulator": true, "kmod/modbuild": true, "kmod/policy/gen": true, "kmod/secmodel_cell/host": true, "kmod/secmodel_cell/host/bench": true, // they are for other systems
		"kmod/stage": true, // runs a shell, which the guest has not
	}
	for house, list := range rooms {
		seen := map[string]bool{}
		root := filepath.Join("..", "..", house)
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, "_linux_test.go") {
				room, _ := filepath.Rel(root, filepath.Dir(path))
				seen[room] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, room := range list {
			if !seen[room] {
				t.Errorf("rooms has %s/%s, which has no tests", house, room)
			}
			delete(seen, room)
		}
		for room := range seen {
			if !notThere[house+"/"+room] {
				t.Errorf("%s/%s has tests, which the guest does not run: add it to rooms", house, room)
			}
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	kernel := tinyKernel(t, &ports[0], nil)
	good := options{kernel: kernel, cpus: 1, memory: 512, rounds: 20}
	for want, change := range map[string]func(*options){
		"KERNEL=/path/to/netbsd":  func(o *options) { o.kernel = "" },
		"give one of them":        func(o *options) { o.sys, o.module = "/x", "/y" },
		"a system that has one":   func(o *options) { o.userland, o.image = t.TempDir(), kernel },
		"bin/sh: no such":         func(o *options) { o.userland = t.TempDir() },
		"name it last":            func(o *options) { o.userland, o.suite, o.module = userlandHere(t), "power,smoke", kernel },
		"SMP=0":                   func(o *options) { o.cpus = 0 },
		"RUN=":                    func(o *options) { o.run = "(" },
		"not an ELF file":         func(o *options) { o.kernel = "suites_test.go" },
		"find file":               func(o *options) { o.image = "/nonexistent" },
		"there are smoke, module": func(o *options) { o.suite = "all" },
		"needs the kernel module": func(o *options) { o.suite = "kmod" },
		"give CONTAINERD=":        func(o *options) { o.suite, o.module = "containerd", kernel },
		"use SUITE=repeat":        func(o *options) { o.suite, o.module, o.cpus = "leak", kernel, 2 },
		"leave IMAGE= away":       func(o *options) { o.suite, o.module, o.image = "power", kernel, kernel },
		"/sys/param.h is missing": func(o *options) { o.sys = t.TempDir() },
	} {
		o := good
		change(&o)
		var out strings.Builder
		if _, err := test(t.Context(), o, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("test(%+v) = %v; want %q", o, err, want)
		}
	}
}

// userlandHere is a directory that looks like one.
func userlandHere(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"bin/sh", "etc/rc.subr"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// With a system of its own in IMAGE=, all paths are below its mount point.
func TestPlanForImage(t *testing.T) {
	o := options{image: "/some.img", module: "/some.kmod", suite: "kmod,runtime", rounds: 1}
	plan, err := o.planFor()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range plan.Steps {
		for _, a := range s.Args {
			if strings.HasPrefix(a, "/") && !strings.HasPrefix(a, imagePrefix) && a != "/tmp" {
				t.Errorf("step %q uses %s", s.Name, a)
			}
		}
	}
}

func TestDefaultSuites(t *testing.T) {
	for want, o := range map[string]options{
		"smoke": {},
		"smoke tests: kmod/flock tests: kmod/inroot tests: kmod/signame tests: kmod/stdstream tests: kmod/sysctl kmod: load module kmod: suite kmod: unload module": {module: "/x"},
	} {
		plan, err := o.planFor()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range plan.Steps {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("default plan = %q; want %q", got, want)
		}
	}
}

// A host that loses its power has a project of containers where the guest has rc(8) and
// containerd's programs, at each boot.
func TestPowerWithContainers(t *testing.T) {
	for _, w := range []want{{rc: true}, {foreign: true}, {rc: true, foreign: true}} {
		w.prefix, w.rounds = "/", 1
		plan, err := makePlan([]string{"power"}, w, have{module: true, foreign: w.foreign})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range foreign {
			boots := 0
			for _, s := range plan.Steps {
				if slices.Contains(s.Args, "/"+foreignPath(name)) {
					boots++
				}
			}
			if all := w.rc && w.foreign; all != (boots == 3) || !all && boots > 0 {
				t.Errorf("rc %v, containerd %v: %d boots have %s", w.rc, w.foreign, boots, name)
			}
		}
	}
}

// TRIES= reaches the suite, and whoever has asked for more has the time. Every day's
// run takes a limit of its own: here is what 200 containers need, four at a time, if
// each takes a minute.
func TestTries(t *testing.T) {
	for _, tries := range []int{0, 200} {
		plan, err := makePlan([]string{"containerd"}, want{prefix: "/", run: "^many/at-once", tries: tries, rounds: 1}, have{module: true, foreign: true})
		if err != nil {
			t.Fatal(err)
		}
		step := &plan.Steps[len(plan.Steps)-2]
		env, limit := "", time.Duration(0)
		if tries > 0 {
			env, limit = fmt.Sprintf("%s=%d", harness.TriesVar, tries), time.Duration(tries)*time.Minute/4
		}
		if got := strings.Join(step.Env, " "); step.Name != "containerd: suite" || got != env || step.Limit() < limit {
			t.Errorf("TRIES=%d: step %q has %q and %v; want %q and at least %v", tries, step.Name, got, step.Limit(), env, limit)
		}
		if sum := total(plan); sum < step.Limit() {
			t.Errorf("TRIES=%d: the plan has %v, its longest step %v", tries, sum, step.Limit())
		}
	}
}
