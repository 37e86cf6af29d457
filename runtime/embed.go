package runtime

// What a program does that calls this package more than once.

import (
	"errors"
	"sync"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
)

// Embed is the first thing that a program does which goes on while its
// containers run, before it opens anything: it protects the program's file from
// those that it enters (CVE-2019-5736). On Linux that replaces the process, once,
// by the same program with the same pid, arguments and environment; what closes
// with an exec is closed then. Afterwards os.Executable does not tell the path,
// and the process leaves no core (PR_SET_DUMPABLE of prctl(2)). On NetBSD there is
// nothing to do.
func Embed() error { return exeseal.Protect() }

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

// once remembers the fields that a warning was given for.
type once struct {
	mu     sync.Mutex
	fields map[string]bool
}

// mostFields bounds the memory: configurations can have fields of any name.
const mostFields = 1000

func (o *once) first(field string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fields == nil || len(o.fields) >= mostFields {
		o.fields = map[string]bool{}
	}
	known := o.fields[field]
	o.fields[field] = true
	return !known
}
