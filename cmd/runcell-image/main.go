// Command runcell-image is the program behind "runcell image" and "runcell registry",
// which become it with all their arguments: from images to bundles and back.
package main

import (
	"os"
	"runtime/debug"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

func main() {
	// Most of the memory is buffers and windows that stay: half as much again
	// before the next collection is enough, and costs no time to speak of.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	p := cmdline.NewProgram()
	os.Exit(run(&p, os.Args))
}

// run runs one command line, spelled as for runcell: [flags] image unpack ….
func run(p *cmdline.Program, args []string) int { return p.Run(root(p), args) }

func root(p *cmdline.Program) *cli.Command {
	root := p.Root()
	root.HideVersion = true
	root.Commands = []*cli.Command{imageCommand(), registryCommand(), cmdline.HelpCommand(), completionCommand()}
	cmdline.Prepare(root)
	return root
}
