package main

// runcell update.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"
)

// lackingFlags are limits that other runtimes change and cells don't have.
var lackingFlags = []string{
	"blkio-weight", "cpu-burst", "cpu-idle", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-share", "cpuset-cpus",
	"cpuset-mems", "kernel-memory", "kernel-memory-tcp", "l3-cache-schema", "mem-bw-schema", "memory", "memory-reservation", "memory-swap",
}

func (a *app) updateCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "resources", Aliases: []string{"r"}, Usage: "read the limits from `FILE`, the JSON of config.json's linux.resources; - is standard input"},
		&cli.Int64Flag{Name: "pids-limit", Usage: "allow `N` processes; -1 is no limit, 0 leaves it"},
	}
	for _, name := range lackingFlags {
		f := &cli.StringFlag{Name: name, Category: "LIMITS THAT CELLS LACK: A WARNING, WITH --strict AN ERROR", Usage: "`VALUE`"}
		if name == "memory" {
			f.Aliases = []string{"m"}
		}
		flags = append(flags, f)
	}
	return &cli.Command{
		Name:      "update",
		Usage:     "change the limits of a container",
		ArgsUsage: "ID",
		Description: `Of the limits in linux.resources cells have one, that of processes. Others stay as
they are, with a warning; with --strict nothing is changed and it is an error.`,
		Flags:  flags,
		Action: a.action(a.update),
	}
}

func (a *app) update(ctx context.Context, cmd *cli.Command) error {
	id, err := containerID(cmd)
	if err != nil {
		return err
	}
	u, err := a.readUpdate(cmd)
	if err != nil {
		return err
	}
	strict := cmd.Root().Bool("strict")
	if len(u.Lacking) > 0 && strict {
		return fmt.Errorf("update %q: --strict: cells have no such limits, nothing was changed: %s", id, strings.Join(u.Lacking, ", "))
	}
	e, err := a.engine(cmd)
	if err != nil {
		return err
	}
	s, err := e.State(id)
	if err != nil {
		return err
	}
	if s.Status == runtime.Stopped {
		return fmt.Errorf("update %q: %w", id, runtime.ErrNotRunning)
	}
	if u.MaxProcesses != nil {
		err := e.Limit(id, *u.MaxProcesses)
		if errors.Is(err, kmod.ErrUnsupported) && !strict {
			log.G(ctx).Warnf("the limit of processes stays as it is: %v", err)
		} else if err != nil {
			return err
		}
	}
	if len(u.Lacking) > 0 {
		log.G(ctx).Warnf("update %q: cells have no such limits, they stay as they are: %s", id, strings.Join(u.Lacking, ", "))
	}
	return nil
}

// readUpdate reads the file or the flags.
func (a *app) readUpdate(cmd *cli.Command) (*oci.Update, error) {
	file := cmd.String("resources")
	var given []string
	for _, name := range lackingFlags {
		if cmd.IsSet(name) {
			given = append(given, "--"+name)
		}
	}
	if file == "" {
		limit := cmd.Int64("pids-limit")
		u := oci.CompileUpdate(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}})
		u.Lacking = given
		return u, nil
	}
	if cmd.IsSet("pids-limit") || given != nil {
		return nil, errors.New("--resources together with single limits: set all of them in the file")
	}
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("open resources: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	resources, unknown, err := oci.LoadResources(in)
	if err != nil {
		return nil, fmt.Errorf("read resources %s: %w", file, err)
	}
	u := oci.CompileUpdate(resources)
	u.Lacking = append(u.Lacking, unknown...)
	return u, nil
}
