package cmdline

// Help. The library's own help knows one level of commands, and says
// less about what it does not know.

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
)

// HelpCommand prints the help of any command.
func HelpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     "list the commands, or the flags of one",
		ArgsUsage: "[COMMAND]",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			at, path := cmd.Root(), cmd.Args().Slice()
			if len(path) == 0 {
				return cli.ShowRootCommandHelp(at)
			}
			for i, name := range path {
				next := at.Command(name)
				switch {
				case next == nil:
					return unknownCommand(at, name)
				case next.SkipFlagParsing: // it is a program of its own and knows its help
					return next.Action(ctx, next)
				case i == len(path)-1:
					return cli.ShowCommandHelp(ctx, at, name)
				}
				at = next
			}
			return nil
		},
	}
}

// Prepare sets what has to be the same on every command.
func Prepare(cmd *cli.Command) {
	if cmd.OnUsageError == nil {
		cmd.OnUsageError = UsageError
	}
	cmd.DisableSliceFlagSeparator = true // --env A=1,2 is one value
	cmd.HideHelpCommand = true           // there is HelpCommand; and "runcell state help" asks for a container
	if len(cmd.Commands) > 0 {
		cmd.Action = noCommand
	}
	for _, c := range cmd.Commands {
		Prepare(c)
	}
}

// noCommand is the action of a command that has commands of its own.
func noCommand(_ context.Context, cmd *cli.Command) error {
	switch name := cmd.Args().First(); {
	case name == "help" || name == "h": // of a command that has commands; the root has a command of that name
		return helpBelow(cmd, cmd.Args().Tail())
	case cmd.Args().Present(): // perhaps an empty one: a variable that is not set
		return unknownCommand(cmd, name)
	case cmd == cmd.Root():
		return cli.ShowRootCommandHelp(cmd)
	}
	return helpBelow(cmd, nil)
}

// stringOf is a flag's line in a help. A program may have another one where
// nobody asks for help.
var stringOf = cli.FlagStringer

// helpBelow prints the help of cmd, or of one of its commands.
func helpBelow(cmd *cli.Command, path []string) error {
	cli.FlagStringer = stringOf
	if len(path) == 0 {
		return cli.ShowCommandHelp(context.Background(), cmd.Lineage()[1], cmd.Name)
	}
	if cmd.Command(path[0]) == nil {
		return unknownCommand(cmd, path[0])
	}
	return cli.ShowCommandHelp(context.Background(), cmd, path[0])
}

// elsewhere are words of docker and podman, by the command that lacks them, and
// what is typed here.
var elsewhere = map[string]map[string]string{
	"runcell": {
		"rm":      `"runcell delete ID" removes a container, "runcell image rm NAME" an image's name`,
		"rmi":     `"runcell image rm NAME"`,
		"images":  `"runcell image list"`,
		"pull":    `"runcell image pull NAME"`,
		"push":    `"runcell image push NAME"`,
		"login":   `"runcell registry login HOST"`,
		"logout":  `"runcell registry logout HOST"`,
		"tag":     `"runcell image tag NAME NEW"`,
		"build":   `"runcell image pack DIR NAME" makes an image of a directory`,
		"commit":  `"runcell image pack --base OLD ROOTFS NEW" makes an image of what changed`,
		"save":    `"runcell image push NAME oci-archive:FILE"`,
		"load":    `"runcell image import oci-archive:FILE" or docker-archive:FILE`,
		"import":  `"runcell image import"`,
		"diff":    `"runcell image diff ID"`,
		"logs":    `what a container in the background prints is in /var/log/runcell/ID.log, or where you sent it`,
		"stats":   `"runcell top"`,
		"port":    `"runcell ports"`,
		"info":    `"runcell features"`,
		"unpause": `"runcell resume ID"`,
		"attach":  `"runcell exec --tty ID PROGRAM" goes in; "runcell run" without --detach stays with the program`,
		"restart": `"runcell stop ID", "runcell delete ID" and "runcell run" again`,
		"cut":     `a running cell can't lose its network: "runcell pause ID" stops it, and npf(7) can shut it off`,
		"network": `"network", "address" and "port" are flags of "runcell run" and keys of a declaration; "runcell inspect ID" tells what a cell has`,
		"volume":  `"--volume NAME:DIR" of "runcell run" makes a data directory, which stays; they are below the directory that --db of "runcell service" names`,
		"rename":  `a container keeps its ID: "runcell stop ID", "runcell delete ID", and "runcell run" with another`,
		"cp":      `a container's files are in its bundle: "runcell inspect ID" says where`,
		"prune":   `"runcell recover", "runcell image gc"`,
		"system":  `"runcell recover" and "runcell image gc" clean up, "runcell features" tells what there is`,
	},
	"service": {
		"logs": logOfCell, "log": logOfCell, "show": `"runcell service explain NAME" shows what a declaration means, "runcell service status" what runs`,
		"reload": `declarations are read with every command: "runcell service check NAME" tells what changed, "runcell service restart NAME" does it`,
		"rm":     noCell, "remove": noCell, "delete": noCell,
	},
	"image": {
		"ls": `"runcell image list"`, "save": `"runcell image push NAME oci-archive:FILE"`, "load": `"runcell image import oci-archive:FILE"`,
		"build": `"runcell image pack DIR NAME"`, "prune": `"runcell image gc"`, "delete": `"runcell image rm NAME"`, "remove": `"runcell image rm NAME"`,
	},
}

const (
	logOfCell = `"runcell service status NAME" says where the log is`
	noCell    = `"runcell service stop NAME", remove NAME.cell, and "runcell service prune NAME" removes what is left`
)

// flagsElsewhere are flags of docker's and podman's, and what is typed here.
var flagsElsewhere = map[string]string{
	"rm":   "a container goes with its program's end, unless there is --keep",
	"name": "the name is the ID, which stands alone: runcell run … ID",
}

func unknownCommand(cmd *cli.Command, name string) error {
	if hint := elsewhere[cmd.Name][name]; hint != "" && cmd.Command(name) == nil {
		return fmt.Errorf("%s has no command %q: %s", cmd.FullName(), name, hint)
	}
	return fmt.Errorf("%s has no command %q%s; \"%s --help\" lists them",
		cmd.FullName(), name, suggest(name, cli.SuggestCommand(cmd.Commands, name)), cmd.FullName())
}

// suggest offers a name that looks like what was given: the library always
// finds one, however far off.
func suggest(given, found string) string {
	g, f := strings.Trim(given, "-"), strings.Trim(found, "-")
	if g == "" || f == "" || g[0] != f[0] {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", found)
}

// badValue takes apart what the library says of a flag's value. Not a regular
// expression: to compile one costs each command more than to read its flags.
func badValue(s string) (value, flag, why string, ok bool) {
	rest, ok := strings.CutPrefix(s, "invalid value ")
	value, err := strconv.QuotedPrefix(rest)
	if !ok || err != nil {
		return "", "", "", false
	}
	if rest, ok = strings.CutPrefix(rest[len(value):], " for flag -"); ok {
		flag, why, ok = strings.Cut(rest, ": ")
	}
	return value, flag, why, ok
}

// wants says what a value has to be, where the library says what Go thinks of it.
var wants = []struct{ why, want string }{
	{"value out of range", "the number is too large"},
	{"strconv.Parse", "want a whole number"},
	{"parse error", "want true or false, or the flag alone"},
}

func wanted(why string) string {
	for _, w := range wants {
		if strings.Contains(why, w.why) {
			return w.want
		}
	}
	return why
}

// UsageError adds the way out to an error in the command line.
func UsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	if flag, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		if hint := flagsElsewhere[flag]; hint != "" && (cmd.Name == "run" || cmd.Name == "create") {
			return fmt.Errorf("%s has no flag %q: %s", cmd.Name, flag, hint)
		}
		err = fmt.Errorf("%s has no flag %q%s", cmd.Name, flag, suggest(flag, cli.SuggestFlag(cmd.Flags, flag, false)))
	}
	if value, flag, why, ok := badValue(err.Error()); ok {
		dashes := "--"
		if len(flag) == 1 {
			dashes = "-"
		}
		err = fmt.Errorf("%s%s %s: %s", dashes, flag, value, wanted(why))
	}
	return fmt.Errorf("%w; \"%s --help\" lists the flags", err, cmd.FullName())
}
