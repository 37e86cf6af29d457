package main

// runcell service: cells that are declared, one file each. The commands.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/urfave/cli/v3"
)

const serviceText = `A declaration is the file NAME.cell in /etc/runcell: lines "key = value", in the words of the
flags of "runcell run". No daemon is behind it: each cell that runs has a "runcell run" of its
own in the background, which starts it again and keeps its log.`

// exitDrift is check's exit code where what runs is not what is declared.
const exitDrift = 2

// exitTrouble is diff's where it can't tell, as diff(1) has it.
const exitTrouble = 2

func (a *app) serviceCommand() *cli.Command {
	all := &cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "all cells that are declared"}
	boot := &cli.BoolFlag{Name: "autostart", Usage: "the cells that are to run from boot on and have no script of their own"}
	return &cli.Command{
		Name:        "service",
		Usage:       "start, stop, change and look at cells that are declared in files",
		ArgsUsage:   "COMMAND",
		Description: serviceText,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "etc", Value: a.etc, Usage: "the declarations are in `DIR`/runcell, scripts go to DIR/rc.d"},
			&cli.StringFlag{Name: "db", Usage: "root file systems and data directories lie below `DIR` (default: " + cmdline.DataRoot + ")"},
		},
		Commands: append([]*cli.Command{
			a.onServices("list", "list the declared cells in the order of starting", "", (*services).list, all, cmdline.FormatFlag("table", "json")),
			a.onServices("check", "tell what a restart would change, and change nothing", "Ends with 0 if that is nothing, with 1 if a declaration is wrong, and with 2 if what runs is something else.", (*services).check, all),
			a.onServices("diff", "print what a restart would change, a line each", "Ends with 1 if there is something, and with 2 for an error.", (*services).diff, all),
			a.onServices("explain", "show what declarations mean for their cells", "As runcell explain does for a bundle. Nothing is changed.", (*services).explain),
			a.onServices("start", "start cells, those first that others require", "One that can't be started keeps no other from it.", (*services).start, all, boot),
			a.onServices("stop", "stop cells, in the opposite order, and delete nothing that lasts", "", (*services).stop, all),
			a.onServices("restart", "stop cells and start them as they are declared now", "", (*services).restart, all),
			a.onServices("status", "tell which cells run", "Ends with 1 if one that is named does not, or, without names, one that was started or is to run from boot on.", (*services).status, cmdline.FormatFlag("table", "json")),
			a.onServices("enable", "write a cell's script into rc.d, and its line for rc.conf", `Then "service cell_NAME restart" works, and rcorder(8) keeps the order that require and before say.`, (*services).enable),
			a.onServices("disable", "remove that script and line", "", (*services).disable),
		}, a.rootsCommands()...),
	}
}

// services are the declared cells, for one command.
type services struct {
	*app
	engine engine
	cmd    *cli.Command
	dir    string // of the declarations
	etc    string
	state  string // what does not outlive a reboot
	args   []string
	all    []*service.Declaration // in order
	broken map[string]error       // by name: what can't be read
	circle error
	unlock func() // of the cell that alone is at
	// startPatience is how long one cell may take to run.
	startPatience time.Duration
}

// A verb does one thing with the cells that are named. Its error is not one
// cell's alone.
type verb func(s *services, ctx context.Context, list []*service.Declaration) error

// onServices is a command on cells.
func (a *app) onServices(name, usage, more string, do verb, flags ...cli.Flag) *cli.Command {
	args := "NAME…"
	if len(flags) > 0 {
		args = "NAME… | --all"
	}
	if name == "start" {
		args += " | --autostart"
	}
	if name == "status" || name == "list" {
		args = "[NAME…]"
	}
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Description: more, Flags: flags,
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			var list []*service.Declaration
			s, err := a.openServices(cmd)
			if err == nil {
				list, err = s.named()
			}
			if err == nil {
				err = do(s, ctx, list)
			}
			var told cmdline.ExitStatus
			if err != nil && name == "diff" && !errors.As(err, &told) {
				err = cmdline.WithCode(err, exitTrouble)
			}
			return err
		}),
	}
}

// named are the declarations that the command line names. One that can't be read
// hides no other: it is an error only if it is asked for.
func (s *services) named() (list []*service.Declaration, err error) {
	names, every := s.args, s.cmd.Bool("all") || s.cmd.Bool("autostart")
	optional := s.cmd.Name == "status" || s.cmd.Name == "list"
	switch {
	case every && len(names) > 0, !every && !optional && len(names) == 0:
		return nil, fmt.Errorf("service %s needs names of cells; usage: %s %s", s.cmd.Name, s.cmd.FullName(), s.cmd.ArgsUsage)
	case len(names) == 0:
		list = s.all
		if s.cmd.Bool("autostart") {
			list = slices.DeleteFunc(slices.Clone(list), func(d *service.Declaration) bool { return !d.Autostart || s.enabled(d) })
		}
		return list, nil
	}
	var left []*service.Declaration
	if s.cmd.Name == "prune" {
		left = s.withdrawn()
	}
	for _, name := range names {
		withdrawn := slices.ContainsFunc(left, func(d *service.Declaration) bool { return d.Name == name })
		if s.find(name) == nil && s.broken[name] == nil && !withdrawn {
			return nil, fmt.Errorf("%s is not declared: there is no %s/%s%s", name, s.dir, name, service.Suffix)
		}
	}
	return slices.DeleteFunc(slices.Clone(s.all), func(d *service.Declaration) bool { return !slices.Contains(names, d.Name) }), nil
}

func (s *services) find(name string) *service.Declaration {
	i := slices.IndexFunc(s.all, func(d *service.Declaration) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return s.all[i]
}

// unread are the errors of declarations that the command is about and that can't
// be read.
func (s *services) unread() error {
	var errs []error
	for name, err := range s.broken {
		if len(s.args) == 0 || slices.Contains(s.args, name) {
			errs = append(errs, err)
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmpText(a.Error(), b.Error()) })
	return errors.Join(append(errs, s.circle)...)
}

// eachAlone is each for what changes a cell: of two commands at a time one waits.
func (s *services) eachAlone(ctx context.Context, list []*service.Declaration, do func(*service.Declaration) (says string, err error)) error {
	return s.each(list, func(d *service.Declaration) (string, error) { return s.alone(ctx, d, do) })
}

// alone does something with a cell while no other command changes it, or until
// that calls unlock.
func (s *services) alone(ctx context.Context, d *service.Declaration, do func(*service.Declaration) (says string, err error)) (string, error) {
	if err := os.MkdirAll(s.state, 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(s.state, d.Name+".busy"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	s.unlock = sync.OnceFunc(func() { _ = f.Close() })
	defer s.unlock()
	locked, err := flock.Try(int(f.Fd()), flock.Exclusive)
	if err == nil && !locked {
		fmt.Fprintf(s.Stderr, "runcell: wait for another \"runcell service\" that is at %s\n", d.Name)
		err = flock.Lock(ctx, int(f.Fd()), flock.Exclusive)
	}
	if err != nil {
		return "", fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return do(d)
}

// each does something with one cell after the other, whatever becomes of one.
func (s *services) each(list []*service.Declaration, do func(*service.Declaration) (says string, err error)) error {
	var errs []error
	for _, d := range list {
		says, err := do(d)
		var told cmdline.ExitStatus
		if err != nil {
			if !errors.As(err, &told) || err.Error() != told.Error() { // a child has said why
				fmt.Fprintln(s.Stderr, "runcell: "+cmdline.OneLine(fmt.Sprintf("%s: %v", d.Name, err)))
			}
			errs = append(errs, err)
			continue
		}
		if says != "" {
			fmt.Fprintf(s.Stdout, "%s: %s\n", d.Name, says)
		}
	}
	if err := s.unread(); err != nil {
		return err
	}
	if len(errs) > 0 { // they are told
		return cmdline.ExitStatus(cmdline.ExitFailure)
	}
	return nil
}
