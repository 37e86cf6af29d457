package main

// runcell help.

import (
	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

func (a *app) helpCommand() *cli.Command {
	c := cmdline.HelpCommand()
	c.Action = a.action(c.Action)
	return c
}
