package clients

// go-runc is the library by which containerd's shims call a runtime. Its
// calls are made by a process of their own: it waits for its children itself.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/go-runc"
	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// GoRuncArg is the first argument that turns the program into that process.
const GoRuncArg = "clients-go-runc"

func goRunc(m *machine) {
	self, err := os.Executable()
	m.t.Must("find own program", err)
	b := m.t.Bundle(harness.Idle)
	once := m.t.Bundle(harness.Do("exit", "7"))
	m.env = append(m.env, "BUNDLE="+b.Dir, "ONCE="+once.Dir, "ID="+m.t.ID(),
		fmt.Sprintf("GO_RUNC=%s %s %s %s", self, GoRuncArg, m.t.Target.Path, m.t.Root))
}

// caller is a runtime as the library sees it, and the container.
type caller struct {
	*runc.Runc
	ctx        context.Context
	id, bundle string
}

// file is one beside the state directory.
func (c *caller) file(name string) string { return filepath.Join(filepath.Dir(c.Root), name) }

// call is one of the library's, or a few that belong together; what it gives
// is printed.
type call struct {
	name string
	make func(c *caller) (string, error)
}

// sequences are what the process can be told to do.
var sequences = map[string][]call{
	"life": {
		{"Create", func(c *caller) (string, error) {
			return "", c.Create(c.ctx, c.id, c.bundle, &runc.CreateOpts{IO: nullIO(), PidFile: c.file("init.pid")})
		}},
		{"State", state},
		{"Start", func(c *caller) (string, error) { return "", c.Start(c.ctx, c.id) }},
		{"State", state},
		{"List", func(c *caller) (string, error) {
			all, err := c.List(c.ctx)
			if err != nil || len(all) != 1 {
				return "", errors.Join(fmt.Errorf("%d containers", len(all)), err)
			}
			return all[0].Status, nil
		}},
		{"Exec", func(c *caller) (string, error) {
			return "", c.Exec(c.ctx, c.id, process("exit", "0"), &runc.ExecOpts{IO: nullIO()})
		}},
		{"Exec of exit 9", func(c *caller) (string, error) {
			return "", c.Exec(c.ctx, c.id, process("exit", "9"), &runc.ExecOpts{IO: nullIO()})
		}},
		{"Exec detached", func(c *caller) (string, error) {
			return "", c.Exec(c.ctx, c.id, process("sleep", "600s"), &runc.ExecOpts{IO: nullIO(), Detach: true, PidFile: c.file("exec.pid")})
		}},
		{"Ps", func(c *caller) (string, error) {
			pids, err := c.Ps(c.ctx, c.id)
			return fmt.Sprintf("%d processes", len(pids)), err
		}},
		{"Pause", func(c *caller) (string, error) { return "", c.Pause(c.ctx, c.id) }},
		{"State", settled("paused")},
		{"Resume", func(c *caller) (string, error) { return "", c.Resume(c.ctx, c.id) }},
		{"State", state},
		{"Delete of a running one", func(c *caller) (string, error) {
			if c.Delete(c.ctx, c.id, nil) == nil {
				return "", errors.New("it succeeded")
			}
			return "refused", nil
		}},
		{"Kill", func(c *caller) (string, error) {
			return "", c.Kill(c.ctx, c.id, 9, &runc.KillOpts{All: true})
		}},
		{"State", settled("stopped")},
		{"Delete", func(c *caller) (string, error) { return "", c.Delete(c.ctx, c.id, nil) }},
		{"Delete of a missing one", func(c *caller) (string, error) {
			return "", c.Delete(c.ctx, c.id, &runc.DeleteOpts{Force: true})
		}},
	},
	"run": {
		{"Run", func(c *caller) (string, error) {
			status, err := c.Run(c.ctx, c.id, c.bundle, &runc.CreateOpts{IO: nullIO()})
			var exit *runc.ExitError
			if errors.As(err, &exit) {
				status, err = exit.Status, nil
			}
			return fmt.Sprint("exit status ", status), err
		}},
	},
	"top": {
		{"Run detached", runDetached},
		{"Top", func(c *caller) (string, error) {
			top, err := c.Top(c.ctx, c.id, "-o pid,args")
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s, %d processes", strings.Join(top.Headers, " "), len(top.Processes)), nil
		}},
		{"Delete by force", deleteByForce},
	},
	"stats": {
		{"Run detached", runDetached},
		{"Stats", func(c *caller) (string, error) {
			var s *runc.Stats
			var err error
			// The library waits for the command while it reads from it, and at
			// times closes the pipe before everything is read.
			for range 10 {
				if s, err = c.Stats(c.ctx, c.id); err == nil {
					break
				}
			}
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d processes", s.Pids.Current), nil
		}},
		{"Events", func(c *caller) (string, error) {
			ctx, cancel := context.WithCancel(c.ctx)
			defer cancel()
			events, err := c.Events(ctx, c.id, time.Second)
			if err != nil {
				return "", err
			}
			e, ok := <-events
			switch {
			case !ok:
				return "", errors.New("no event")
			case e.Err != nil:
				return "", e.Err
			}
			return e.Type, nil
		}},
		{"Delete by force", deleteByForce},
	},
	"update": {
		{"Run detached", runDetached},
		{"Update", func(c *caller) (string, error) {
			limit := int64(50)
			return "", c.Update(c.ctx, c.id, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}})
		}},
		{"Delete by force", deleteByForce},
	},
	"features": {
		{"Features", func(c *caller) (string, error) {
			f, err := c.Features(c.ctx)
			if err == nil && len(f.Hooks) == 0 {
				err = errors.New("no hooks")
			}
			return "", err
		}},
	},
}

func state(c *caller) (string, error) {
	s, err := c.State(c.ctx, c.id)
	if err != nil {
		return "", err
	}
	return s.Status, nil
}

// settled waits until the state is the wanted one: neither the end of a process
// nor, with cgroup v1, a pause is complete when the call returns.
func settled(want string) func(*caller) (string, error) {
	return func(c *caller) (string, error) {
		for range 1500 {
			if s, err := state(c); err != nil || s == want {
				return s, err
			}
			time.Sleep(20 * time.Millisecond)
		}
		return state(c)
	}
}

func runDetached(c *caller) (string, error) {
	_, err := c.Run(c.ctx, c.id, c.bundle, &runc.CreateOpts{IO: nullIO(), Detach: true})
	return "", err
}

func deleteByForce(c *caller) (string, error) {
	return "", c.Delete(c.ctx, c.id, &runc.DeleteOpts{Force: true})
}

func process(args ...string) specs.Process {
	return specs.Process{Cwd: "/", Args: append([]string{harness.ProbePath}, args...), Env: []string{"PATH=/bin"}}
}

// devNull are streams that a program may write to: the library's own are open
// for reading only.
type devNull struct {
	runc.IO
	f *os.File
}

func (n devNull) Set(c *exec.Cmd) { c.Stdin, c.Stdout, c.Stderr = n.f, n.f, n.f }

func nullIO() runc.IO {
	io, err := runc.NewNullIO()
	if err != nil {
		panic(err) // /dev/null
	}
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	return devNull{io, f}
}

// GoRunc makes the calls of a sequence: RUNTIME ROOT SEQUENCE BUNDLE ID.
func GoRunc(args []string) error {
	if len(args) != 5 || sequences[args[2]] == nil {
		return fmt.Errorf("read arguments: want RUNTIME ROOT SEQUENCE BUNDLE ID, got %q", args)
	}
	c := &caller{
		Runc: &runc.Runc{Command: args[0], Root: args[1], Log: filepath.Join(filepath.Dir(args[1]), "go-runc.log"), LogFormat: runc.JSON},
		ctx:  context.Background(), bundle: args[3], id: args[4],
	}
	for _, call := range sequences[args[2]] {
		got, err := call.make(c)
		if err != nil {
			got = "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(strings.TrimSpace(call.name + ": " + got))
	}
	return nil
}
