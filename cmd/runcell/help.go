// runcell help.
package main

import (
	"github.com/urfave/cli/v3"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
)

func (a *app) helpCommand() *cli.Command {
	c := cmdline.HelpCommand()
	c.Action = a.action(c.Action)
	return c
}
