package main

// The suites, as data: what the guest does for each. docs/developing.md
// explains them to the user.

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// Paths in the guest, below the place where its image is mounted.
const (
	moduleName  = "secmodel_cell"
	moduleFile  = protocol.ModuleDir + "/" + moduleName + ".kmod"
	conformance = protocol.ProgramDir + "/conformance"
	probe       = protocol.ProgramDir + "/probe"
	runcell     = "sbin/runcell"
	runcellImg  = "libexec/runcell-image"
	demoWeb     = protocol.ProgramDir + "/web"
	adversary   = protocol.ProgramDir + "/adversary"
	shim        = "sbin/containerd-shim-runcell-v1"
	snapshotter = "sbin/containerd-snapshotter-runcell"
	benchmarks  = protocol.ProgramDir + "/bench"
)

// foreign are the programs of CONTAINERD=, built outside of the project; they
// lie beside the suite, where its cases look for them.
var foreign = []string{"containerd", "ctr", "nerdctl"}

func foreignPath(name string) string { return protocol.ProgramDir + "/containerd/" + name }

// rooms are the packages whose tests the guest runs, by the folder that they
// are in and that has a suite: all with tests that a NetBSD can pass, but those
// that only compute.
var rooms = map[string][]string{
	"image": {
		"bundle", "dockerarchive", "internal/archive", "internal/backoff", "internal/verify",
		"layer", "layout", "manifest", "pack", "reference", "registry", "sets", "store", "transfer",
	},
	"runtime": {
		".", "internal/console", "internal/devices", "internal/hostroot", "internal/launch", "internal/monitor",
		"internal/nofile", "internal/process", "internal/rootfs", "internal/signals", "internal/state", "internal/sys", "internal/undo",
	},
	"kmod": {"flock", "inroot", "signame", "stdstream", "sysctl"},
	"pkg":  {"containerd"},
	"shim": {"bootstrap", "events", "snapshots", "stdio", "task"},
}

// roomTests is the program with the tests of a room.
func roomTests(house, room string) string {
	return protocol.ProgramDir + "/" + strings.ReplaceAll(path.Join(house, room), "/", "-") + ".test"
}

// suite is one value of SUITE=.
type suite struct {
	name, does string
	module     bool // needs the kernel module
	foreign    bool // needs programs of CONTAINERD=
	steps      func(want) []protocol.Step
}

// have is what the user gave.
type have struct{ module, foreign bool }

// want is what the user asked for, as far as a plan depends on it.
type want struct {
	prefix string // where the guest's image is mounted, "/" or "/vm/"
	run    string // only cases that match
	rounds int
	tries  int // 0: as many as every day
	cpus   int
	// rc says that the guest has rc(8), which loads the module for good.
	rc bool
	// foreign says that there are programs of CONTAINERD=.
	foreign bool
}

var suites = []suite{
	{"smoke", "what the suites take for granted of the kernel", false, false, smokeSteps},
	{"module", "load the module and unload it, twice", true, false, moduleSteps},
	{"kmod", "load the module, the contract of the module, unload", true, false, kmodSteps},
	{"runtime", "load the module, tests and OCI runtime suite with runcell, unload", true, false, runtimeSteps},
	{"image", "tests of images: unpacking, the store, registries", false, false, imageSteps},
	{"containerd", "load the module, sessions of ctr and nerdctl with the shim, unload", true, true, containerdSteps},
	{"demo", "load the module, the demo of the README, unload", true, false, demoSteps},
	{"pages", "commands of the documentation's pages, which load the module; unload it", true, false, pagesSteps},
	{"service", "load the module, a host with three declared cells from boot to boot, unload", true, false, serviceSteps},
	{"power", "a host with three declared cells whose power is cut, twice; its scripts load the module; unload it", true, false, powerSteps},
	{"adversary", "load the module, try everything from inside a cell, unload", true, false, adversarySteps},
	{"repeat", "load, kmod suite, unload, ROUNDS times", true, false, repeatSteps},
	{"leak", "the same, and no counter of the kernel may grow; on one CPU", true, false, leakSteps},
	{"cost", "what the module adds to system calls, measured ROUNDS times", true, false, costSteps},
	{"many", "load the module, what runcell's commands cost beside 10, 100 and 1,000 cells, unload", true, false, manySteps},
	{"cycles", "ROUNDS times 50 lives of a cell, 4 at a time; with one CPU no counter may grow", true, false, cyclesSteps},
}

func suiteNames() string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// makePlan writes out the steps of some suites, one after the other.
func makePlan(names []string, w want, have have) (*protocol.Plan, error) {
	plan := &protocol.Plan{Hostname: "cells"}
	for n, name := range names {
		i := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("find suite %q: there are %s", name, suiteNames())
		case suites[i].module && !have.module:
			return nil, fmt.Errorf("suite %s needs the kernel module: give NETBSD_SYS=, or a built one with MODULE=", name)
		case suites[i].foreign && !have.foreign:
			return nil, fmt.Errorf("suite %s needs containerd: give CONTAINERD=, a directory with %s for the guest (docs/containerd-netbsd.md)", name, strings.Join(foreign, ", "))
		case name == "power" && w.rc && n < len(names)-1:
			return nil, errors.New("suite power leaves the module in the kernel with USERLAND=: name it last in SUITE=")
		case name == "leak" && w.cpus > 1:
			return nil, fmt.Errorf("suite leak needs SMP=1: each CPU keeps objects for itself, which looks like a leak; with SMP=%d, use SUITE=repeat", w.cpus)
		}
		plan.Steps = append(plan.Steps, suites[i].steps(w)...)
	}
	if err := plan.Check(); err != nil {
		return nil, err
	}
	return plan, nil
}

const (
	shortTimeout = 120 // seconds; an emulated processor is some 20 times slower
	roomTimeout  = 600
	suiteTimeout = 1800
	// Each of some ten thousand attempts is a process of its own.
	adversaryTimeout = 7200
	tryTimeout       = 10 // for one try of each case that tries often
)

func smokeSteps(w want) []protocol.Step {
	return []protocol.Step{{
		Name: "smoke", Do: protocol.Exec, Args: []string{w.prefix + protocol.AgentPath, "smoke"},
		Timeout: shortTimeout, TAP: true,
	}}
}

// withModule puts steps between the module's load and unload. Names are those
// of the suite, so that a plan can have several.
func withModule(w want, name string, round int, steps ...protocol.Step) []protocol.Step {
	if round > 0 {
		name = fmt.Sprintf("%s, round %d", name, round)
	}
	all := []protocol.Step{{
		Name: name + ": load module", Do: protocol.ModLoad, Args: []string{w.prefix + moduleFile}, Must: true, Round: round,
	}}
	for _, s := range steps {
		s.Name, s.Round = name+": "+s.Name, round
		all = append(all, s)
	}
	return append(all, protocol.Step{
		Name: name + ": unload module", Do: protocol.ModUnload, Args: []string{moduleName}, Must: true, Round: round,
	})
}

// conformanceStep runs a suite of the conformance program.
func conformanceStep(w want, name string, args ...string) protocol.Step {
	args = append([]string{w.prefix + conformance, "--suite", name, "--probe", w.prefix + probe, "--workdir", "/tmp"}, args...)
	if w.run != "" {
		args = append(args, "--run", w.run)
	}
	step := protocol.Step{Name: "suite", Do: protocol.Exec, Args: args, Timeout: suiteTimeout, TAP: true}
	if w.tries > 0 {
		step.Env = []string{fmt.Sprintf("%s=%d", harness.TriesVar, w.tries)}
		step.Timeout += w.tries * tryTimeout
	}
	return step
}

// costSteps loads and unloads the module by itself, again and again.
func costSteps(w want) []protocol.Step {
	return []protocol.Step{{
		Name: "cost", Do: protocol.Exec, Args: []string{w.prefix + protocol.AgentPath, "cost", w.prefix + moduleFile, strconv.Itoa(w.rounds)},
		Timeout: 2 * suiteTimeout, TAP: true,
	}}
}

// manySteps measures, as cost does: what it prints is never right or wrong. With
// all the mounts of the example's cells there would be too many, see hostroot's
// checkCrowd.
func manySteps(w want) []protocol.Step {
	return withModule(w, "many", 0, protocol.Step{
		Name: "measure", Do: protocol.Exec, Timeout: 2 * suiteTimeout,
		Args: []string{w.prefix + protocol.AgentPath, "crowd", "2000", w.prefix + benchmarks, "-run", "many", "-cells", "10,100,1000", "-lean", "-runcell", w.prefix + runcell, "-busybox", w.prefix + linuxBusybox},
	})
}

func moduleSteps(w want) []protocol.Step {
	return append(withModule(w, "module", 1), withModule(w, "module", 2)...)
}

func kmodSteps(w want) []protocol.Step {
	return append(roomSteps(w, "kmod"), withModule(w, "kmod", 0, conformanceStep(w, "kmod"))...)
}

// roomSteps run the tests of a house.
func roomSteps(w want, house string) (steps []protocol.Step) {
	for _, room := range rooms[house] {
		name := "tests: " + path.Join(house, room)
		steps = append(steps, protocol.Step{Name: name, Do: protocol.Exec, Args: []string{w.prefix + roomTests(house, room)}, Timeout: shortTimeout})
	}
	return steps
}

func runtimeSteps(w want) []protocol.Step {
	before := protocol.Step{
		Name: "runtime: without the module", Do: protocol.Exec, Args: []string{w.prefix + protocol.AgentPath, "without-module", w.prefix + runcell},
		Timeout: shortTimeout,
	}
	var steps []protocol.Step
	for _, room := range rooms["runtime"] {
		name := "tests: " + path.Join("runtime", room)
		steps = append(steps, protocol.Step{Name: name, Do: protocol.Exec, Args: []string{w.prefix + roomTests("runtime", room)}, Timeout: roomTimeout})
	}
	steps = append(steps, conformanceStep(w, "runtime", "--runtime", w.prefix+runcell+",runcell-netbsd"))
	return append([]protocol.Step{before}, withModule(w, "runtime", 0, steps...)...)
}

// containerdSteps ask each program for its version first: so it is in the log,
// and the suite finds the program beside itself. The pages say how the module is
// loaded.
func containerdSteps(w want) []protocol.Step {
	steps := append(roomSteps(w, "pkg"), roomSteps(w, "shim")...)
	steps = append(steps,
		protocol.Step{Name: "shim's version", Do: protocol.Exec, Args: []string{w.prefix + shim, "-v"}, Timeout: shortTimeout},
		protocol.Step{Name: "snapshotter's version", Do: protocol.Exec, Args: []string{w.prefix + snapshotter, "--version"}, Timeout: shortTimeout})
	for _, name := range foreign {
		steps = append(steps, protocol.Step{
			Name: name + "'s version", Do: protocol.Exec, Args: []string{w.prefix + foreignPath(name), "--version"}, Timeout: shortTimeout,
		})
	}
	page := []protocol.Step{
		{
			Name: "containerd: commands of the pages", Do: protocol.Exec, Timeout: suiteTimeout, TAP: true,
			Args: []string{
				w.prefix + protocol.AgentPath, "port", w.prefix + linuxBusybox, w.prefix + moduleFile, w.prefix + path.Dir(foreignPath("")),
				w.prefix + runcell, w.prefix + runcellImg, w.prefix + shim, w.prefix + snapshotter,
			},
		},
		{Name: "containerd: unload module after the pages", Do: protocol.ModUnload, Args: []string{moduleName}, Must: true},
	}
	suite := conformanceStep(w, "containerd", "--runtime", w.prefix+runcell+",runcell-netbsd")
	suite.Timeout *= 4 // programs of 30 MB are started some hundred times
	return append(page, withModule(w, "containerd", 0, append(steps, suite)...)...)
}

// notInGuest are tests of images that need other tools, or what Linux's file
// systems have: attributes, hard links to symbolic links, the time -1, paths
// that are longer than PATH_MAX.
const notInGuest = "^Test(RealRegistry|RealRegistryDies|SignedRealRegistry|StoreAndOtherTools|UmociImage|BuildahImage|OthersReadOurs|SameTreeAsUmoci|" +
	"Sparse|Rootless|Xattrs|StaleTemporaries|StaleInsideALayout|RoundTrip|Deterministic|PackCancel|PackOnBase|Diff|StrangeTimes|Flags)|^FuzzNames"

func imageSteps(w want) []protocol.Step {
	var steps []protocol.Step
	for _, room := range rooms["image"] {
		args := []string{w.prefix + roomTests("image", room), "-test.timeout", "20m", "-test.skip", notInGuest}
		if w.run != "" {
			args = append(args, "-test.run", w.run)
		}
		steps = append(steps, protocol.Step{Name: "image tests: " + room, Do: protocol.Exec, Args: args, Timeout: suiteTimeout})
	}
	return steps
}

func demoSteps(w want) []protocol.Step {
	return withModule(w, "demo", 0, protocol.Step{
		Name: "steps", Do: protocol.Exec, Args: []string{w.prefix + protocol.AgentPath, "demo", w.prefix + runcell, w.prefix + demoWeb},
		Timeout: suiteTimeout, TAP: true,
	})
}

// pagesSteps: the pages say how the module is loaded. runcell-image is found
// beside runcell.
func pagesSteps(w want) []protocol.Step {
	return []protocol.Step{
		{Name: "pages: runcell's version", Do: protocol.Exec, Args: []string{w.prefix + runcell, "--version"}, Timeout: shortTimeout},
		{
			Name: "pages: commands", Do: protocol.Exec, Args: []string{w.prefix + protocol.AgentPath, "pages", w.prefix + linuxBusybox, w.prefix + moduleFile},
			Timeout: suiteTimeout, TAP: true,
		},
		{Name: "pages: unload module", Do: protocol.ModUnload, Args: []string{moduleName}, Must: true},
	}
}

func serviceSteps(w want) []protocol.Step {
	return withModule(w, "service", 0, protocol.Step{
		Name: "steps", Do: protocol.Exec, Args: []string{w.prefix + protocol.AgentPath, "service", w.prefix + runcell, w.prefix + demoWeb},
		Timeout: suiteTimeout, TAP: true,
	})
}

// powerSteps are three boots of a host; its rc.d scripts do what there is to do. With
// rc(8) and containerd's programs it has a project of containers, too.
func powerSteps(w want) []protocol.Step {
	boot := func(when string) protocol.Step {
		args := []string{w.prefix + protocol.AgentPath, "power", when, w.prefix + runcell, w.prefix + linuxBusybox, w.prefix + moduleFile}
		if w.rc && w.foreign {
			for _, name := range foreign {
				args = append(args, w.prefix+foreignPath(name))
			}
		}
		return protocol.Step{Name: "power: the " + when + " boot", Do: protocol.Exec, Args: args, Timeout: suiteTimeout, TAP: true}
	}
	steps := []protocol.Step{
		boot("first"),
		{Name: "power: it is cut while the cells write", Do: protocol.PowerCut},
		boot("second"),
		{Name: "power: it is cut in the middle of an upgrade", Do: protocol.PowerCut},
		boot("third"),
	}
	if w.rc {
		return steps
	}
	return append(steps, protocol.Step{Name: "power: unload module", Do: protocol.ModUnload, Args: []string{moduleName}, Must: true})
}

func adversarySteps(w want) []protocol.Step {
	args := []string{w.prefix + adversary, "--workdir", "/tmp"}
	if w.run != "" {
		args = append(args, "--run", w.run)
	}
	return withModule(w, "adversary", 0, protocol.Step{Name: "suite", Do: protocol.Exec, Args: args, Timeout: adversaryTimeout, TAP: true})
}

// rounds repeat a suite; each round may end with steps of its own.
func rounds(w want, suite string, step protocol.Step, end func(round int) []protocol.Step) []protocol.Step {
	var steps []protocol.Step
	for round := 1; round <= w.rounds; round++ {
		step.Quiet = round > 1
		steps = append(steps, withModule(w, suite, round, step)...)
		steps = append(steps, end(round)...)
	}
	return steps
}

func repeatSteps(w want) []protocol.Step {
	return rounds(w, "repeat", conformanceStep(w, "kmod"), func(int) []protocol.Step { return nil })
}

// counted repeats a suite and counts after each round: what grows all the time
// is a leak.
func counted(w want, suite string, step protocol.Step) []protocol.Step {
	return rounds(w, suite, step, func(round int) []protocol.Step {
		return []protocol.Step{{Name: fmt.Sprintf("%s, round %d: count", suite, round), Do: protocol.Count, Round: round}}
	})
}

func leakSteps(w want) []protocol.Step { return counted(w, "leak", conformanceStep(w, "kmod")) }

// cyclesSteps make a thousand cells in the 20 rounds that are the default. What
// several CPUs keep for themselves can't be told from a leak: nothing is counted.
func cyclesSteps(w want) []protocol.Step {
	w.run = "^concurrency/cycles$"
	step := conformanceStep(w, "runtime", "--runtime", w.prefix+runcell+",runcell-netbsd")
	if w.cpus > 1 {
		return rounds(w, "cycles", step, func(int) []protocol.Step { return nil })
	}
	return counted(w, "cycles", step)
}
