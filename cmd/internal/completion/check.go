package completion

// What tests demand of a program's table.

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// nothing are what helps call values that nobody can guess.
var nothing = []string{
	"N", "BYTES", "TIME", "UID[:GID]", "GID", "NAME=VALUE", "PROFILE", "LABEL", "CAPABILITY", "PATH", "NAME", "ARG", "ARCH", "VERSION",
	"VALUE", "PORT[/udp]", "USER[:GROUP]", "SIGNAL", "TEXT",
	"COMMAND", "USER", "PORT", "INTERFACE=ADDRESS/LENGTH",
}

// Check tells errorf of each command that the table has no arguments of, and of
// each flag of whose values it knows nothing. except are another program's.
func Check(errorf func(format string, args ...any), t Table, root *cli.Command, except ...string) {
	var commands []string
	t.check(errorf, root, "", except, &commands)
	for name := range t.Args {
		if !slices.Contains(commands, name) {
			errorf("there is no command %q", name)
		}
	}
}

func (t Table) check(errorf func(format string, args ...any), cmd *cli.Command, path string, except []string, commands *[]string) {
	for _, f := range cmd.Flags {
		if !takesValue(f) {
			continue
		}
		name, value := f.Names()[0], Placeholder(f)
		_, byName := t.Flags[name]
		_, byValue := t.Flags[value]
		if !byName && !byValue && !strings.Contains(value, "|") && !slices.Contains(nothing, value) {
			errorf("%s --%s: nothing is known about values that are called %q", path, name, value)
		}
	}
	for _, c := range cmd.Commands {
		below := strings.TrimSpace(path + " " + c.Name)
		if slices.Contains(except, below) {
			continue
		}
		if len(c.Commands) == 0 {
			*commands = append(*commands, below)
			if _, ok := t.Args[below]; !ok {
				errorf("%s: nothing is known about its arguments", below)
			}
		}
		t.check(errorf, c, below, except, commands)
	}
}
