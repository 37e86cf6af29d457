package oci

// CompileProcess: the process that exec runs in a cell that exists.

import (
	"reflect"

	"github.com/netbsd-cells/runcell/kmod"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// CompileProcess maps a process onto a cell that exists. The notes are those
// of its fields; the error (*ConfigError) lists every problem.
func CompileProcess(p *specs.Process, f kmod.Features) (*Process, []Note, error) {
	c := newCompiler(f)
	c.walk(reflect.ValueOf(p).Elem(), "process", "process")
	c.settleProcess()
	if c.want.capsField != "" {
		c.approximated(c.want.capsField, plural(len(c.want.caps), "capability", "capabilities"),
			"the cell's permissions were settled when it was created and hold for every process in it")
	}
	return c.process, c.plan.Notes, c.err()
}
