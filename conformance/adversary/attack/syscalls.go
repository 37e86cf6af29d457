package attack

// The sweep over every system call.

import (
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/adversary/calls"
	"golang.org/x/sys/unix"
)

// nobody is the name of a process that does not exist.
const nobody = "nobody"

func syscallItems() ([]item, error) { return tableItems("netbsd") }

func linuxItems() ([]item, error) { return tableItems("linux_" + runtime.GOARCH) }

func tableItems(table string) ([]item, error) {
	list, err := calls.Table(table)
	if err != nil {
		return nil, err
	}
	var items []item
	for i := range list {
		items = append(items, callItems(&list[i])...)
	}
	return items, nil
}

// callItems are those of a call: one for each target.
func callItems(c *calls.Call) []item {
	var targets []string
	for _, v := range c.Vectors {
		if !slices.Contains(targets, v.Target) {
			targets = append(targets, v.Target)
		}
	}
	var items []item
	for _, target := range targets {
		if target == calls.Process {
			for _, p := range calls.Processes {
				if !slices.ContainsFunc(c.Vectors, func(v calls.Vector) bool { return v.Target == calls.Process && v.At(p) }) {
					continue
				}
				items = append(items, item{c.Name, p, func(a *attacker) (found, error) { return a.call(c, target, p) }})
			}
			continue
		}
		items = append(items, item{c.Name, target, func(a *attacker) (found, error) { return a.call(c, target, "") }})
	}
	return items
}

// call tries a call's vectors at a target. What is not refused either where
// there is no process says nothing about the process.
func (a *attacker) call(c *calls.Call, target, process string) (found, error) {
	var f found
	var vectors []*calls.Vector
	for i := range c.Vectors {
		if v := &c.Vectors[i]; v.Target == target && v.At(process) {
			vectors = append(vectors, v)
		}
	}
	if len(vectors) == 0 {
		return f, nil
	}
	results, err := a.make(c, vectors, process)
	if err != nil {
		return f, err
	}
	f.tried = len(results)
	for n, r := range results {
		if r <= Refused {
			continue
		}
		if process != "" {
			control, err := a.make(c, vectors[n:n+1], nobody)
			if err != nil {
				return f, err
			}
			if control[0] > Refused {
				continue
			}
		}
		f.pass(c.Name)
		f.how = append(f.how, vectors[n].String())
	}
	return f, nil
}

// ignorable are the signals that would end this program and can be ignored.
func ignorable() []os.Signal {
	var list []os.Signal
	for n := syscall.Signal(1); n < 65; n++ {
		if n != unix.SIGKILL && n != unix.SIGSTOP && n != unix.SIGCHLD && n != unix.SIGSYS && !slices.Contains(faults, n) && unix.SignalName(n) != "" {
			list = append(list, n)
		}
	}
	return list
}
