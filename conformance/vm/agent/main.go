// Command agent is the first process of the guest, and all that runs the
// plan there:
//
//	init              as process 1: sets up the system, runs the plan, reboots
//	init run PREFIX   runs the plan PREFIX/etc/plan on a system that is up
//	init smoke        tests what the suites take for granted; prints TAP
//	init demo R W     the demo of the README, with the programs runcell and web
//	init service R W  three declared cells, from boot to boot, with the same programs
//	init power WHEN R B M P…  a host that loses its power: runcell, busybox, the module,
//	                  and programs of containerd's port, if it has a project of containers
//	init cost MODULE N  measures N times what the module costs; prints TAP
//	init without-module R  what runcell says before the module is loaded
//	init pages BUSYBOX MODULE  types the commands of the documentation's pages
//	init port B M DIR P…  those with containerd's port in DIR, and our programs P
//
// It does its work on NetBSD only; elsewhere "run" carries out steps that are
// programs, which is how it is tested.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

func main() {
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func command() error {
	args := os.Args[1:]
	if stand := standIns[filepath.Base(os.Args[0])]; stand != nil {
		return stand(args)
	}
	switch {
	case os.Getpid() == 1:
		return boot()
	case len(args) == 2 && args[0] == "run":
		return run(args[1])
	case len(args) == 1 && args[0] == "smoke":
		return smoke()
	case len(args) == 2 && args[0] == "without-module":
		return withoutModule(args[1])
	case len(args) == 3 && args[0] == "cost":
		rounds, err := strconv.Atoi(args[2])
		if err != nil {
			return fmt.Errorf("read rounds: %w", err)
		}
		return cost(args[1], rounds)
	case len(args) > 2 && args[0] == "crowd":
		processes, err := strconv.ParseUint(args[1], 10, 31)
		if err != nil {
			return fmt.Errorf("read processes: %w", err)
		}
		return crowd(int(processes), args[2:])
	case len(args) == 3 && args[0] == "pages":
		return pages(args[1], args[2], "/rescue")
	case len(args) > 4 && args[0] == "port":
		return port(args[1], args[2], args[3], args[4:])
	case len(args) == 3 && args[0] == "demo":
		return demo(args[1:])
	case len(args) == 3 && args[0] == "service":
		return declared(args[1:])
	case len(args) >= 5 && args[0] == "power":
		return power(args[1], args[2], args[3], args[4], args[5:])
	case len(args) >= 1 && args[0] == helperArg:
		return helper(args[1:])
	}
	return errors.New("usage: init run PREFIX | init smoke | init demo RUNCELL WEB | init service RUNCELL WEB | init power WHEN RUNCELL BUSYBOX MODULE PROGRAM… | init cost MODULE ROUNDS | init crowd PROCESSES PROGRAM… | init without-module RUNCELL | init pages BUSYBOX MODULE | init port BUSYBOX MODULE DIR PROGRAM…")
}

// helperArg begins the command line of the smoke test's own children.
const helperArg = "helper"

// run carries out the plan below prefix and reports on the serial port.
func run(prefix string) error {
	port, err := openReport()
	if err != nil {
		return err
	}
	r := newReporter(port)
	b, err := os.ReadFile(filepath.Join(prefix, protocol.PlanPath))
	if err != nil {
		return r.bye(fmt.Errorf("read plan: %w", err))
	}
	plan, err := protocol.ParsePlan(b)
	if err != nil {
		return r.bye(err)
	}
	first, err := firstStep(prefix, plan)
	if err != nil {
		return r.bye(err)
	}
	return r.bye(runPlan(r, plan, first, system()))
}

// firstStep is 0 but in a guest whose power was cut.
func firstStep(prefix string, plan *protocol.Plan) (int, error) {
	if !plan.CutsPower() {
		return 0, nil
	}
	sector := make([]byte, protocol.SectorSize)
	f, err := os.Open(filepath.Join(prefix, protocol.FirstStep))
	if err == nil {
		_, err = io.ReadFull(f, sector)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return 0, fmt.Errorf("read first step: %w", err)
	}
	return plan.FirstOf(sector)
}
