// Package hooks runs a config's hooks (config.md, "POSIX-platform Hooks"):
// programs at points of a container's life, with its state as JSON on standard
// input. It never decides which point it is, changes no record, and hands a
// hook nothing of runcell's own descriptors.
package hooks

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/oci/strictjson"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"golang.org/x/sys/unix"
)

// Run runs hooks in order on the host, in the calling thread's namespaces. It
// stops at the first failure, whose error names the hook's field and path.
func Run(ctx context.Context, hooks []oci.Hook, s *state.State) error {
	return each(hooks, s, func(h oci.Hook, input []byte) error { return runOnHost(ctx, h, directory(s), input) })
}

// RunPoststop runs the last hooks. Their failures are logged, as the spec wants
// them to be, and the rest run (runtime.md, "Lifecycle", step 13).
func RunPoststop(ctx context.Context, hooks []oci.Hook, s *state.State) {
	for i := range hooks {
		if err := Run(ctx, hooks[i:i+1], s); err != nil {
			log.G(ctx).WithFields(log.Fields{"id": s.ID, mustTell: hooks[i].Field}).Warnf("%v", err)
		}
	}
}

// mustTell is the field of an entry that is shown wherever there is somebody to
// see it, also where warnings are not asked for.
const mustTell = "hook"

// each calls run for one hook after the other, with the encoded state.
func each(hooks []oci.Hook, s *state.State, run func(h oci.Hook, input []byte) error) error {
	if len(hooks) == 0 {
		return nil
	}
	input, err := strictjson.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode state for hooks: %w", err)
	}
	for _, h := range hooks {
		step.Say("run %s %s, and wait for its end (timeout %v, 0s = none)", h.Field, h.Path, h.Timeout)
		if err := run(h, input); err != nil {
			return fmt.Errorf("run %s %s: %w", h.Field, h.Path, err)
		}
	}
	return nil
}

// runOnHost makes the hook's process by a program of its own: os/exec would
// hand on each descriptor of ours that does not close with an exec.
func runOnHost(ctx context.Context, h oci.Hook, dir string, input []byte) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) //nolint:forbidigo // the host's
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	return run(ctx, h, input, func(in *os.File, said *output) (*process.Child, error) {
		prog, err := hostProgram(h, dir)
		if err != nil {
			return nil, err
		}
		prog.Steps = slices.Concat(process.DefaultSignals(), []stage.Step{
			process.DupTo("take state as input", int(in.Fd()), 0),
			process.DupTo("discard output", int(null.Fd()), 1),
			said.step(2),
		}, prog.Steps)
		return process.StartProgram(ctx, prog)
	})
}

// hostProgram is what the hook's process does once it has its streams. A hook
// that names no environment has ours, as with the peers; the spec says nothing
// of it.
func hostProgram(h oci.Hook, dir string) (*stage.Program, error) {
	chdir, err := stage.Path("change to the bundle", unix.SYS_CHDIR, dir)
	if err != nil {
		return nil, err
	}
	env := h.Env
	if len(env) == 0 {
		env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PWD=") }), "PWD="+dir)
	}
	exe, err := stage.Exec(h.Path, arguments(h), env)
	if err != nil {
		return nil, err
	}
	return &stage.Program{Inherit: 3, ExitCode: 255, Steps: []stage.Step{ownGroup(), chdir, exe}}, nil
}

// arguments of a hook that names none are its path.
func arguments(h oci.Hook) []string {
	if len(h.Args) > 0 {
		return h.Args
	}
	return []string{h.Path}
}

// ownGroup is what is killed at the timeout.
func ownGroup() stage.Step { return stage.Sys("own process group", unix.SYS_SETPGID, 0, 0) }

// directory is where a hook on the host runs: in the bundle, as the peers have
// it. A bundle that is gone stops no hook, least of all one that cleans up.
func directory(s *state.State) string {
	//nolint:forbidigo // the bundle is the caller's
	if fi, err := os.Stat(s.Bundle); err != nil || !fi.IsDir() {
		return "/"
	}
	return s.Bundle
}
