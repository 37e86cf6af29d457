package main

// The engine behind the service: package runtime.

import (
	"bytes"
	"context"
	"strings"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim/bootstrap"
	"github.com/netbsd-cells/runcell/shim/stdio"
	"github.com/netbsd-cells/runcell/shim/task"
)

// engine gives package runtime's calls the form that the service has for them.
type engine struct{ *runtime.Runtime }

func openEngine(f *bootstrap.Flags) (engine, error) {
	root, err := f.Root()
	if err != nil {
		return engine{}, err
	}
	client, err := openBackend(root)
	if err != nil {
		return engine{}, err
	}
	return engine{runtime.New(runtime.Options{Root: root, Kmod: client, Embedded: f.Action == ""})}, nil
}

// streams are what a process gets, if it has no terminal.
func streams(s *stdio.Streams) *runtime.Streams {
	in, out, err := s.Files()
	return &runtime.Streams{In: in, Out: out, Err: err}
}

// Create makes a container.
func (e engine) Create(ctx context.Context, id, bundle string, s *stdio.Streams) (task.Process, error) {
	o := runtime.CreateOptions{ID: id, Bundle: bundle}
	if s.Terminal() {
		o.Terminal = s.Attach
	} else {
		o.Streams = streams(s)
	}
	return process(e.Runtime.Create(ctx, o))
}

// Exec runs a process in a container.
func (e engine) Exec(ctx context.Context, id string, p *oci.Process, s *stdio.Streams) (task.Process, error) {
	o := runtime.ExecOptions{ID: id, Process: p}
	if s.Terminal() {
		o.Terminal = s.Attach
	} else {
		o.Streams = streams(s)
	}
	return process(e.Spawn(ctx, o))
}

// process keeps a missing one from being a value of the interface.
func process(p *runtime.Process, err error) (task.Process, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Compile reads the process of an exec.
func (e engine) Compile(spec []byte) (*oci.Process, error) {
	read, err := oci.LoadProcess(bytes.NewReader(spec))
	if err != nil {
		return nil, err
	}
	features, err := e.Features()
	if err != nil {
		return nil, err
	}
	p, notes, err := oci.CompileProcess(read, features)
	if err != nil {
		return nil, err
	}
	plan := oci.Plan{Notes: notes}
	var warnings []string
	for _, n := range plan.Warnings() {
		warnings = append(warnings, n.Field+": "+n.Reason)
	}
	if len(warnings) > 0 {
		log.L.Info("exec: " + strings.Join(warnings, "; "))
	}
	return p, nil
}
