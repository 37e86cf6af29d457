package main

// runcell completion: the command-line library writes the scripts and answers
// their questions; here is only what the help says.

import (
	"slices"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

const completionText = `The script goes where the shell looks for it, or is read at once:

    bash   source <(runcell completion bash)
    zsh    source <(runcell completion zsh)
    fish   runcell completion fish | source`

func describeCompletion(c *cli.Command) {
	c.Hidden = false
	c.Usage = "print a script that completes commands in a shell: bash, zsh or fish"
	c.Description = completionText
	c.Commands = slices.DeleteFunc(c.Commands, func(c *cli.Command) bool { return c.Name == "pwsh" })
	cmdline.Prepare(c)
}
