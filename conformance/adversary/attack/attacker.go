package attack

// The sweeps: an item at a time.

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/adversary/calls"
	"github.com/netbsd-cells/runcell/conformance/adversary/linux"
	"golang.org/x/sys/unix"
)

// attacker is the state of a sweep.
type attacker struct {
	job    Job
	line   *line
	memory *calls.Memory
	scene  *scene
	item   int
	runner *runner
}

// item is a thing to try, or a group of them: the host looks at what changed
// after each.
type item struct {
	name     string
	attempts func(a *attacker) (found, error)
}

// found is what came of an item.
type found struct {
	tried  int
	passed []Pass   // once each
	how    []string // the vectors of a call's
}

// passAt takes note of a name and of whom it was tried at.
func (f *found) passAt(name, at string) {
	if p := (Pass{name, at}); !slices.Contains(f.passed, p) {
		f.passed = append(f.passed, p)
	}
}

// sweeps are the kinds: those of this system, and the system calls.
var sweeps = func() map[string]func() ([]item, error) {
	all := systemSweeps()
	all["syscall"], all[emulated] = syscallItems, linuxItems
	return all
}()

// emulated is the kind that is tried in programs for Linux.
const emulated = "linux"

// Arg is the program's first argument that makes it an adversary.
const Arg = "attack"

// Main carries out the job that the host gives.
func Main() error {
	signal.Ignore(ignorable()...)
	l := newLine()
	a := &attacker{line: l}
	if err := l.in.Decode(&a.job); err != nil {
		return fmt.Errorf("hear the host: %w", err)
	}
	err := a.sweep()
	last := Said{Item: a.item, Done: true}
	if err != nil {
		last.Error = err.Error()
	}
	return errors.Join(err, l.out.Encode(last))
}

func (a *attacker) sweep() error {
	sweep := sweeps[a.job.Kind]
	if sweep == nil {
		return fmt.Errorf("there is no sweep %q", a.job.Kind)
	}
	items, err := sweep()
	if err != nil {
		return err
	}
	if err := a.prepare(); err != nil {
		return err
	}
	only, err := regexp.Compile(a.job.Only)
	if err != nil {
		return fmt.Errorf("read which items: %w", err)
	}
	for n := a.job.From; n < len(items); n++ {
		a.item = n
		it := items[n]
		if !only.MatchString(it.name) {
			continue
		}
		if err := a.line.out.Encode(Said{Item: n, Name: it.name, Begin: true}); err != nil {
			return fmt.Errorf("tell the host: %w", err)
		}
		f, err := it.attempts(a)
		if err != nil {
			return fmt.Errorf("%s: %w", it.name, err)
		}
		if a.job.World, err = a.line.say(Said{Item: n, Name: it.name, Tried: f.tried, Passed: f.passed, How: f.how}); err != nil {
			return err
		}
	}
	return nil
}

// The memory that arguments point to is where programs for Linux have it.
const (
	base   = linux.Base
	zeroed = linux.Zeros
	laid   = linux.Laid
)

// prepare makes what attempts work with.
func (a *attacker) prepare() error {
	none, few := unix.Rlimit{}, unix.Rlimit{Cur: MaxDescriptors, Max: MaxDescriptors}
	// A child that a fault ends is no news: it leaves no core.
	if err := errors.Join(unix.Setrlimit(unix.RLIMIT_CORE, &none), unix.Setrlimit(unix.RLIMIT_NOFILE, &few)); err != nil {
		return fmt.Errorf("limit resources: %w", err)
	}
	// Always at the same place: calls take addresses for flags and sizes, too.
	where := base
	at, err := unix.MmapPtr(-1, 0, *(*unsafe.Pointer)(unsafe.Pointer(&where)), zeroed+laid, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("map memory: %w", err)
	}
	all := unsafe.Slice((*byte)(at), zeroed+laid)
	a.memory = &calls.Memory{Bytes: all[zeroed:], Base: base + zeroed, Zeros: base}
	a.runner = native
	if a.job.Kind == emulated {
		a.runner = &runner{a.executed, linuxENOSYS}
	}
	a.scene = &scene{dir: fmt.Sprintf("/tmp/adversary-%d", os.Getuid()), fds: map[string]int{}}
	return a.scene.set()
}

// world is everything that an argument can name.
func (a *attacker) world(process string) (calls.World, error) {
	w := calls.World{}
	for name, n := range a.job.World.Objects {
		w[name] = n
	}
	for name, fd := range a.scene.fds {
		w[name] = int64(fd)
	}
	if process != "" {
		pid, ok := a.job.World.Processes[process]
		if !ok {
			return nil, fmt.Errorf("find process %q: the host has none", process)
		}
		w[calls.Target] = pid
	}
	if len(a.job.Handle) > 0 {
		w["handle"], w["handlesize"] = int64(uintptr(unsafe.Pointer(&a.job.Handle[0]))), int64(len(a.job.Handle))
	}
	return w, nil
}

// make lays out the arguments of shots and makes the attempts.
func (a *attacker) make(c *calls.Call, shots []shot) ([]Result, error) {
	a.memory.Reset()
	list := make([]attempt, len(shots))
	for n, s := range shots {
		w, err := a.world(s.process)
		if err != nil {
			return nil, err
		}
		list[n] = attempt{number: c.Number, returns: c.Returns}
		for i := range s.vector.Args {
			if list[n].args[i], err = s.vector.Args[i].Value(w, a.memory); err != nil {
				return nil, err
			}
		}
	}
	results, err := a.runner.try(list)
	if err == nil && slices.ContainsFunc(results, func(r Result) bool { return r > Refused }) {
		err = a.scene.set()
	}
	return results, err
}
