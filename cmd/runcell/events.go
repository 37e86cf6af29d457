package main

// runcell events: what a container uses, and what it was denied, one JSON
// object a line in the form of runc's.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) eventsCommand() *cli.Command {
	return &cli.Command{
		Name:      "events",
		Usage:     "print what a container uses and what it was denied, until it ends",
		ArgsUsage: "ID",
		Description: `Each line is a JSON object with a type. "stats" comes at once and after each
interval; "denial" within a second of requests that the kernel denied.`,
		Flags: []cli.Flag{
			&cmdline.TimeFlag{Name: "interval", Value: 5 * time.Second, Usage: "`TIME` between two stats, such as 5s", Validator: checkInterval},
			&cli.BoolFlag{Name: "stats", Usage: "print the stats once and end"},
			cmdline.FormatFlag("json"),
		},
		Action: a.onContainer(func(ctx context.Context, cmd *cli.Command, e engine, id string) error {
			s, err := e.Stats(id)
			if err != nil {
				return err
			}
			if err := a.printEvent("stats", id, statsData(&s)); err != nil || cmd.Bool("stats") {
				return err
			}
			a.Journal.Flush()
			w := watcher{app: a, e: e, id: id, interval: cmd.Duration("interval"), last: s}
			return w.run(ctx)
		}),
	}
}

func checkInterval(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%v is not a time between two stats; give more than 0, such as 5s", d)
	}
	return nil
}

// watcher prints a container's events.
type watcher struct {
	*app
	e        engine
	id       string
	interval time.Duration
	last     kmod.Stats
}

// denialInterval is how often denials are looked for: the kernel counts them
// and calls nobody.
const denialInterval = time.Second

// run prints until the container has ended.
func (w *watcher) run(ctx context.Context) error {
	next := time.Now().Add(w.interval)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(time.Until(next), denialInterval)):
		}
		s, err := w.e.Stats(w.id)
		if errors.Is(err, runtime.ErrNotRunning) || errors.Is(err, runtime.ErrNotExist) || errors.Is(err, kmod.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if d := newDenials(&w.last, &s); d != nil {
			if err := w.printEvent("denial", w.id, d); err != nil {
				return err
			}
		}
		w.last = s
		if now := time.Now(); !now.Before(next) {
			next = now.Add(w.interval)
			if err := w.printEvent("stats", w.id, statsData(&s)); err != nil {
				return err
			}
		}
	}
}

func (a *app) printEvent(typ, id string, data any) error {
	return cmdline.WriteJSON(a.Stdout, struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Data any    `json:"data"`
	}{typ, id, data}, "")
}

// denialEvent tells of the requests denied since the last look, and of the
// latest of them.
type denialEvent struct {
	Denials map[string]uint64 `json:"denials"` // by kauth scope
	Last    struct {
		Request   string  `json:"request"` // its class in the policy reference
		Pid       int     `json:"pid"`
		UID       uint32  `json:"uid"`
		SinceBoot float64 `json:"sinceBootSeconds"`
	} `json:"last"`
}

// newDenials compares two looks; nil if nothing was denied between them.
func newDenials(before, now *kmod.Stats) *denialEvent {
	d := &denialEvent{Denials: map[string]uint64{}}
	for scope, n := range now.Denials {
		if more := n - before.Denials[scope]; n > before.Denials[scope] {
			d.Denials[scope] = more
		}
	}
	if len(d.Denials) == 0 {
		return nil
	}
	d.Last.Request, d.Last.Pid, d.Last.UID = now.LastDenied, now.Last.Pid, now.Last.UID
	d.Last.SinceBoot = now.Last.At.Seconds()
	return d
}

// stats is the data of runc's event of that type, as far as cells have it.
type stats struct {
	CPU struct {
		Usage struct { // nanoseconds
			Total  int64 `json:"total"`
			Kernel int64 `json:"kernel,omitempty"`
			User   int64 `json:"user,omitempty"`
		} `json:"usage"`
	} `json:"cpu"`
	Memory struct {
		Usage struct { // bytes
			Usage uint64 `json:"usage"`
			Limit uint64 `json:"limit"`
		} `json:"usage"`
	} `json:"memory"`
	Pids struct {
		Current uint64 `json:"current"`
		Limit   uint64 `json:"limit,omitempty"`
	} `json:"pids"`
	Denials map[string]uint64 `json:"denials,omitempty"` // by kauth scope
}

func statsData(s *kmod.Stats) *stats {
	d := &stats{Denials: s.Denials}
	u := &d.CPU.Usage
	u.Total, u.Kernel, u.User = s.CPU.Total.Nanoseconds(), s.CPU.System.Nanoseconds(), s.CPU.User.Nanoseconds()
	d.Memory.Usage.Usage = s.Memory
	d.Memory.Usage.Limit = math.MaxUint64 // none, as runc writes it
	d.Pids.Current, d.Pids.Limit = s.Processes, s.MaxProcesses
	return d
}
