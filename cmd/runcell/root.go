package main

// The root command: the list of commands, and what they share.

import (
	"context"
	"slices"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

const rootDescription = `A cell is a group of processes that NetBSD's kernel keeps apart from the rest
of the system. runcell starts a container (a directory with a config.json and a
root file system, called a bundle) as a cell.

The shortest way to a running cell:

    runcell spec --bundle B      writes B/config.json, to be edited
    runcell explain B            shows what that configuration means
    runcell run --bundle B web   runs it under the name web until it ends

The manual page runcell(8) has the whole of it.`

// commands are all of them, in the order of the help. A command line builds
// only those that it names: the rest would cost every call of every command.
var commands = []struct {
	name  string
	alias string
	build func(*app) *cli.Command
}{
	{"create", "", (*app).createCommand},
	{"start", "", (*app).startCommand},
	{"state", "", (*app).stateCommand},
	{"kill", "", (*app).killCommand},
	{"stop", "", (*app).stopCommand},
	{"pause", "", (*app).pauseCommand},
	{"resume", "", (*app).resumeCommand},
	{"delete", "", (*app).deleteCommand},
	{"run", "", (*app).runCommand},
	{"exec", "", (*app).execCommand},
	{"list", "ls", (*app).listCommand},
	{"ps", "", (*app).psCommand},
	{"top", "", (*app).topCommand},
	{"ports", "", (*app).portsCommand},
	{"denials", "", (*app).denialsCommand},
	{"inspect", "", (*app).inspectCommand},
	{"events", "", (*app).eventsCommand},
	{"metrics", "", (*app).metricsCommand},
	{"update", "", (*app).updateCommand},
	{"wait", "", (*app).waitCommand},
	{"recover", "", (*app).recoverCommand},
	{"reserve", "", (*app).reserveCommand},
	{"checkpoint", "", (*app).checkpointCommand},
	{"restore", "", (*app).restoreCommand},
	{"spec", "", (*app).specCommand},
	{"features", "", (*app).featuresCommand},
	{"explain", "", (*app).explainCommand},
	{"service", "", (*app).serviceCommand},
	{"image", "", (*app).imageCommand},
	{"registry", "", (*app).registryCommand},
	{"completion", "", (*app).completionCommand},
	{"version", "", (*app).versionCommand},
	{"help", "h", (*app).helpCommand},
}

// root builds the command tree for one command line.
func (a *app) root(args []string) *cli.Command {
	whole := needsWholeTree(args)
	cmd := a.Root()
	cmd.Version = version
	for _, c := range commands {
		if whole || slices.Contains(args, c.name) || c.alias != "" && slices.Contains(args, c.alias) {
			cmd.Commands = append(cmd.Commands, c.build(a))
		}
	}
	cli.FlagStringer = helpOf
	if whole {
		cmd.Description = rootDescription
	} else {
		cli.FlagStringer = nameOfFlag
	}
	cli.VersionPrinter = func(*cli.Command) { _ = printVersion(a.Stdout) } // it can return nothing
	cmdline.Prepare(cmd)
	return cmd
}

// helpOf is a flag's line in the help. The library makes that of all flags of a
// command that has headings, as keys by which it sorts them: where nobody asks for
// help the name will do.
var helpOf = cli.FlagStringer

func nameOfFlag(f cli.Flag) string { return f.Names()[0] }

// needsWholeTree tells whether a command line asks about commands instead of
// naming one.
func needsWholeTree(args []string) bool {
	named := false
	for _, arg := range args[min(1, len(args)):] {
		switch arg {
		case "help", "h", "-h", "--help", "completion":
			return true
		case "--version", "-v":
			named = true
		}
		named = named || isCommand(arg)
	}
	return !named
}

func isCommand(name string) bool {
	for _, c := range commands {
		if name != "" && (name == c.name || name == c.alias) {
			return true
		}
	}
	return false
}

// action wraps a command that works on containers.
func (a *app) action(f cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		cmdline.LogInert(ctx, cmd)
		return a.whereDeclared(cmd, f(ctx, cmd))
	}
}

// onContainer is the action of a command whose only argument is an ID.
func (a *app) onContainer(do func(ctx context.Context, cmd *cli.Command, e engine, id string) error) cli.ActionFunc {
	return a.action(func(ctx context.Context, cmd *cli.Command) error {
		id, err := containerID(cmd)
		if err != nil {
			return err
		}
		e, err := a.engine(cmd)
		if err != nil {
			return err
		}
		return do(ctx, cmd, e, id)
	})
}

// engine opens the runtime on the state directory that the flags name.
func (a *app) engine(cmd *cli.Command) (engine, error) {
	root := cmd.Root()
	if err := checkDescriptors(); err != nil {
		return nil, err
	}
	dir, err := a.stateDir(root)
	if err != nil {
		return nil, err
	}
	return a.open(dir, root.String("emulate"), root.Bool("strict"))
}

// stateDir gives the absolute state directory.
func (a *app) stateDir(root *cli.Command) (string, error) {
	return cmdline.StateDir(root.String("root"), root.IsSet("root"), a.euid, a.getenv)
}
