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
		c := &list[i]
		items = append(items, item{c.Name, func(a *attacker) (found, error) { return a.call(c) }})
	}
	return items, nil
}

// shot is a vector, and the process that it is tried at if it needs one.
type shot struct {
	vector  *calls.Vector
	process string
}

// at is the target, as an outcome names it.
func (s *shot) at() string {
	if s.process != "" {
		return s.process
	}
	return s.vector.Target
}

func (s *shot) String() string { return s.at() + ": " + s.vector.String() }

// shots are those of a call: what is for a process, at each.
func shots(c *calls.Call) (list []shot) {
	for i := range c.Vectors {
		if v := &c.Vectors[i]; v.Target != calls.Process {
			list = append(list, shot{v, ""})
		}
	}
	for _, p := range calls.Processes {
		for i := range c.Vectors {
			if v := &c.Vectors[i]; v.Target == calls.Process && v.At(p) {
				list = append(list, shot{v, p})
			}
		}
	}
	return list
}

// call tries all that there is to a call. What is not refused either where
// there is no process says nothing about the process.
func (a *attacker) call(c *calls.Call) (found, error) {
	var f found
	list := shots(c)
	results, err := a.make(c, list)
	if err != nil {
		return f, err
	}
	f.tried = len(results)
	for n, r := range results {
		if r <= Refused {
			continue
		}
		if list[n].process != "" {
			control, err := a.make(c, []shot{{list[n].vector, nobody}})
			if err != nil {
				return f, err
			}
			if control[0] > Refused {
				continue
			}
		}
		f.passAt(c.Name, list[n].at())
		f.how = append(f.how, list[n].String()+": "+r.String())
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
