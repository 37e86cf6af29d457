package runtime

// What a program does that calls this package more than once.

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// Embed is the first thing that a program does which goes on while its
// containers run, before it opens anything: it protects the program's file from
// those that it enters (CVE-2019-5736). On Linux that replaces the process, once,
// by the same program with the same pid, arguments and environment; what closes
// with an exec is closed then. Afterwards os.Executable does not tell the path,
// and the process leaves no core (PR_SET_DUMPABLE of prctl(2)). On NetBSD there is
// nothing to do.
func Embed() error { return exeseal.Protect() }

// Calm is the first thing that a program does which ends with what it does with one
// container: the Go runtime then takes less of a processor to watch over itself,
// and what it does about a thread that does not let go of one comes up to a
// millisecond later. Processes in containers do not notice.
func Calm() {
	if process.Calm != nil {
		process.Calm()
	}
}

// errNotEmbedded is the error of an Embedded runtime whose program did not call
// Embed: to do it now would replace the process.
var errNotEmbedded = errors.New("protect own binary: this program has to call runtime.Embed first thing")

// protect protects this program from those that it enters.
func (r *Runtime) protect() error {
	if !r.embedded {
		return exeseal.Protect()
	}
	protected, err := exeseal.Protected()
	if err == nil && !protected {
		err = errNotEmbedded
	}
	return err
}

// handle gives a child to the caller: where that goes on, it is reaped.
func (r *Runtime) handle(c *process.Child) *Process {
	if r.embedded {
		c.Watch()
	}
	return &Process{c}
}

// Features tells what the kernel can do, which a process that is given to Spawn
// is compiled for.
func (r *Runtime) Features() (kmod.Features, error) { return r.kmod.Features() }

// warnedFile has the fields that a warning was given for, as a JSON list. It is not a
// container's id: those have no @.
const warnedFile = "@warned"

// once remembers the fields that a warning was given for. Programs that work below
// one state directory share it, as each of containerd's shims is one.
type once struct {
	mu   sync.Mutex
	path string
	// fields are also here: the file may not be writable.
	fields map[string]bool
}

// mostFields bounds what is kept: configurations can have fields of any name.
const mostFields = 1000

// first gives those of the fields that no warning was given for. What can't be read
// or written is only warned of again; so it may be when two programs do this at once.
func (o *once) first(fields []string) map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	var known []string
	if sys.ReadJSON(o.path, &known) != nil || len(known) >= mostFields {
		known = nil
	}
	if o.fields == nil || len(o.fields) >= mostFields {
		o.fields = map[string]bool{}
	}
	for _, f := range known {
		o.fields[f] = true
	}
	fresh := map[string]bool{}
	for _, f := range fields {
		if !o.fields[f] {
			o.fields[f], fresh[f] = true, true
		}
	}
	if len(fresh) > 0 {
		_ = sys.WriteJSON(sys.ReplaceFile, o.path, slices.Sorted(maps.Keys(o.fields)))
	}
	return fresh
}
