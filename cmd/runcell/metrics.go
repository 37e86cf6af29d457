package main

// runcell metrics: numbers of all containers for a monitoring system, without
// a daemon: for inetd(8), or for a collector that reads files.

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) metricsCommand() *cli.Command {
	return &cli.Command{
		Name:      "metrics",
		Usage:     "print numbers of the containers for a monitoring system",
		ArgsUsage: "[ID…]",
		Description: `Prints the processes, memory, CPU time and denied requests of each container, or of
those that are named, in the format of OpenMetrics. With --inetd it is a page that inetd(8)
serves, with --output a file for a collector such as node_exporter's.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "inetd", Usage: "read an HTTP request from standard input and answer it"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`, which is replaced as a whole, instead of standard output"},
		},
		Action: a.action(a.metrics),
	}
}

func (a *app) metrics(ctx context.Context, cmd *cli.Command) error {
	output := cmd.String("output")
	if cmd.Bool("inetd") && output != "" {
		return errors.New("--inetd and --output together: the answer goes to one place, leave one of them out")
	}
	collect := func() ([]byte, error) {
		e, err := a.engine(cmd)
		if err != nil {
			return nil, err
		}
		return collectMetrics(ctx, e, cmd.Args().Slice())
	}
	if cmd.Bool("inetd") {
		return a.serveOnce(ctx, collect)
	}
	b, err := collect()
	if err != nil {
		return err
	}
	if output != "" {
		return cmdline.ReplaceBytes(output, 0o644, b)
	}
	_, err = a.Stdout.Write(b)
	return err
}

// metricSet is every family, in the order in which they are printed.
type metricSet struct {
	build, containers, errors             family
	processes, limit, memory, cpu, denied family
}

func newMetricSet() *metricSet {
	return &metricSet{
		build:      family{name: "runcell_build_info", help: "1, with the version of runcell."},
		containers: family{name: "runcell_containers", help: "Containers by their status."},
		errors:     family{name: "runcell_unreadable_containers", help: "Containers of which this page says nothing because of an error."},
		processes:  family{name: "runcell_cell_processes", help: "Processes that have not ended."},
		limit:      family{name: "runcell_cell_processes_limit", help: "Processes at most; absent without a limit."},
		memory:     family{name: "runcell_cell_memory_bytes", unit: "bytes", help: "Resident memory; what processes share counts for each."},
		cpu:        family{name: "runcell_cell_cpu_seconds", counter: true, unit: "seconds", help: "CPU time used by the processes, and by those that have ended as far as it is known."},
		denied:     family{name: "runcell_cell_denials", counter: true, help: "Requests that the kernel denied, by the scope of kauth(9); absent where they are not counted."},
	}
}

// collectMetrics looks at all containers, or at those named. One that can't be
// read is counted; one that goes meanwhile is no error.
func collectMetrics(ctx context.Context, e engine, names []string) ([]byte, error) {
	m := newMetricSet()
	named := func(id string) bool { return len(names) == 0 || slices.Contains(names, id) }
	states, unread := e.Survey(named)
	if states == nil && unread != nil {
		return nil, unread
	}
	failed := 0
	fail := func(err error) {
		failed++
		log.G(ctx).Warnf("metrics: %v", err)
	}
	if unread != nil {
		fail(unread)
	}
	for _, name := range names {
		if !slices.ContainsFunc(states, func(s runtime.Seen) bool { return s.ID == name }) {
			return nil, runtime.NotExistError{ID: name}
		}
	}
	m.build.add(1, "version", version)
	byStatus := map[runtime.Status]int{}
	for _, s := range states {
		if !named(s.ID) {
			continue
		}
		byStatus[s.Status]++
		if s.Stats != nil {
			m.addCell(s.ID, s.Stats)
		}
		if s.Err != nil {
			fail(s.Err)
		}
	}
	for _, s := range []runtime.Status{runtime.Creating, runtime.Created, runtime.Running, runtime.Paused, runtime.Stopped} {
		m.containers.add(float64(byStatus[s]), "status", string(s))
	}
	m.errors.add(float64(failed))
	var b bytes.Buffer
	writeMetrics(&b, []*family{&m.build, &m.containers, &m.errors, &m.processes, &m.limit, &m.memory, &m.cpu, &m.denied})
	return b.Bytes(), nil
}

func (m *metricSet) addCell(id string, s *kmod.Stats) {
	m.processes.add(float64(s.Processes), "id", id)
	if s.MaxProcesses != 0 {
		m.limit.add(float64(s.MaxProcesses), "id", id)
	}
	m.memory.add(float64(s.Memory), "id", id)
	m.cpu.add(s.CPU.Total.Seconds(), "id", id)
	if s.Denials == nil {
		return
	}
	for _, scope := range policy.Scopes {
		m.denied.add(float64(s.Denials[string(scope)]), "id", id, "scope", string(scope))
	}
}
