package main

// runcell exec.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/settings"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) execCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name:      "exec",
		Usage:     "run another program in a running container",
		ArgsUsage: "ID COMMAND [ARGUMENT…] | --process FILE ID",
		Description: `The program gets the environment, user, directory and limits of the container's
own program unless flags say otherwise, and is held by the same policy. runcell ends with
its exit status (128+n when signal n ended it), or with 255 when it could not be run.`,
		Flags: append(execFlags(), processFlags()...),
		OnUsageError: func(ctx context.Context, cmd *cli.Command, err error, sub bool) error {
			return cmdline.WithCode(cmdline.UsageError(ctx, cmd, err, sub), exitExec)
		},
		UseShortOptionHandling: true, // -it
		StopOnNthArg:           &one, // what follows the ID belongs to the program
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			err := a.exec(ctx, cmd)
			var status cmdline.ExitStatus
			var why *runtime.Interrupted
			if err == nil || errors.As(err, &status) || errors.As(err, &why) {
				return err
			}
			return cmdline.WithCode(err, exitExec)
		}),
	}
}

func execFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "process", Aliases: []string{"p"}, Usage: "read the whole process from `FILE`, the JSON of config.json's \"process\""},
		&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return once the program runs"},
		&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give the program a terminal"},
		&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "run as `UID[:GID]`, in numbers; drops the groups that are not given with -g"},
		&cli.StringSliceFlag{Name: "additional-gids", Aliases: []string{"g"}, Usage: "add the group `GID`, a number (may be repeated)"},
		&cli.StringFlag{Name: "cwd", Usage: "start in `DIR`, an absolute path in the container"},
		&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set a variable, `NAME=VALUE` (may be repeated)"},
		&cli.BoolFlag{Name: "no-new-privs", Usage: "let the program gain no privileges, not even through setuid files"},
		&cli.StringFlag{Name: "apparmor", Usage: "refused: cells have no AppArmor `PROFILE`"},
		&cli.StringFlag{Name: "process-label", Usage: "refused: cells have no SELinux `LABEL`"},
		&cli.StringSliceFlag{Name: "cap", Category: cmdline.InertCategory, Usage: "`CAPABILITY`; permissions belong to the whole cell"},
		&cli.StringSliceFlag{Name: "cgroup", Category: cmdline.InertCategory, Usage: "`PATH`; cells have no cgroups"},
		interactiveFlag(),
		inertBool("ignore-paused", "a paused container refuses exec in any case: the program could not run before resume"),
	}
}

// exec runs the program; its status is the error.
func (a *app) exec(ctx context.Context, cmd *cli.Command) error {
	if a.euid == 0 {
		// On Linux it goes on in a protected copy of this program: the sooner, the less is
		// done twice, and --process may be a pipe.
		if err := a.embed(); err != nil {
			return err
		}
	}
	o, err := a.execOptions(cmd)
	if err != nil {
		return err
	}
	e, err := a.engine(cmd)
	if err != nil {
		return err
	}
	if a.euid != 0 {
		s, err := e.State(o.ID)
		if err != nil {
			return err
		}
		if done, err := a.rootless(cmd, s.Pid); done {
			return err
		}
	}
	if file := cmd.String("process"); file != "" {
		o.Process, err = readProcess(ctx, cmd, e, file)
	} else {
		o.Process, err = buildProcess(cmd, e, o.ID)
	}
	if err != nil {
		return err
	}
	if !o.Detach {
		a.Journal.Flush()
	}
	return a.caught(ctx, func(ctx context.Context, signals *runtime.Signals) error {
		o.Signals = signals
		if !o.Detach {
			return asStatus(e.Exec(ctx, o))
		}
		return a.detached(cmd, o.ID, func(s *runtime.Streams) error {
			o.Streams = s
			return asStatus(e.Exec(ctx, o))
		})
	})
}

// execOptions reads everything but the process.
func (a *app) execOptions(cmd *cli.Command) (runtime.ExecOptions, error) {
	o := runtime.ExecOptions{
		ID:          cmd.Args().First(),
		Detach:      cmd.Bool("detach"),
		PreserveFDs: cmd.Int("preserve-fds"),
	}
	switch n := cmd.Args().Len(); {
	case cmd.String("process") != "" && n != 1:
		return o, fmt.Errorf("exec --process needs a container ID and nothing else, got %d arguments", n)
	case cmd.String("process") == "" && n < 2:
		return o, errors.New("exec needs a container ID and a command; usage: runcell exec ID COMMAND [ARGUMENT…]")
	}
	// Ignoring these would run the program less confined than was asked for.
	for flag, what := range map[string]string{"apparmor": "AppArmor", "process-label": "SELinux"} {
		if v := cmd.String(flag); v != "" {
			return o, fmt.Errorf("--%s %q: cells have no %s; leave the flag out, the cell's policy holds in any case", flag, v, what)
		}
	}
	if err := checkPreserve(o.PreserveFDs); err != nil {
		return o, err
	}
	return o, absolute(cmd, map[string]*string{
		"pid-file": &o.PidFile, "console-socket": &o.ConsoleSocket, "pidfd-socket": &o.PidfdSocket,
	})
}

// readProcess compiles the process in a file. Only --tty may add to it.
func readProcess(ctx context.Context, cmd *cli.Command, e engine, file string) (*oci.Process, error) {
	for _, flag := range []string{"user", "additional-gids", "cwd", "env", "no-new-privs"} {
		if cmd.IsSet(flag) {
			return nil, fmt.Errorf("--%s and --process together: set it in the file", flag)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open process: %w", err)
	}
	defer func() { _ = f.Close() }()
	spec, err := oci.LoadProcess(f)
	if err != nil {
		return nil, fmt.Errorf("read process %s: %w", file, err)
	}
	features, err := e.Features()
	if err != nil {
		return nil, err
	}
	process, notes, err := oci.CompileProcess(spec, features)
	if err != nil {
		return nil, err
	}
	plan := oci.Plan{Notes: notes}
	if cmd.Root().Bool("strict") {
		if err := plan.Strict(); err != nil {
			return nil, err
		}
	}
	for _, n := range plan.Warnings() {
		log.G(ctx).Warnf("%s: %s", n.Field, n.Reason)
	}
	process.Terminal = process.Terminal || cmd.Bool("tty")
	return process, nil
}

// buildProcess changes the container's own process as the flags say.
func buildProcess(cmd *cli.Command, e engine, id string) (*oci.Process, error) {
	plan, err := e.Plan(id)
	if err != nil {
		return nil, err
	}
	p := oci.Process{Cwd: "/"}
	if plan.Process != nil {
		p = *plan.Process
	}
	p.Args, p.Terminal, p.ConsoleSize = cmd.Args().Tail(), cmd.Bool("tty"), nil
	if cmd.IsSet("no-new-privs") {
		p.NoNewPrivs = cmd.Bool("no-new-privs")
	}
	if cmd.IsSet("cwd") {
		if p.Cwd = cmd.String("cwd"); !path.IsAbs(p.Cwd) {
			return nil, fmt.Errorf("--cwd %q is not an absolute path", p.Cwd)
		}
	}
	if p.Env, err = settings.SetEnv(p.Env, cmd.StringSlice("env")); err != nil {
		return nil, err
	}
	return &p, setUser(&p, cmd)
}

// setUser applies --user and --additional-gids. The groups of the container's
// user are not another user's.
func setUser(p *oci.Process, cmd *cli.Command) error {
	if cmd.IsSet("user") {
		uid, gid, hasGID, err := settings.ParseUser(cmd.String("user"))
		if err != nil {
			return fmt.Errorf("--user: %w", err)
		}
		p.UID, p.AdditionalGIDs = uid, nil
		if hasGID {
			p.GID = gid
		}
	}
	p.AdditionalGIDs = append([]uint32(nil), p.AdditionalGIDs...)
	for _, s := range cmd.StringSlice("additional-gids") {
		gid, err := settings.ParseID("group", s)
		if err != nil {
			return fmt.Errorf("--additional-gids: %w", err)
		}
		p.AdditionalGIDs = append(p.AdditionalGIDs, gid)
	}
	return nil
}
