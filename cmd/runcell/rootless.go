package main

// Running without root: create, run and exec run again in a user namespace
// where the caller is root. The other commands need no namespace.

import (
	"os"
	"slices"

	"github.com/urfave/cli/v3"
)

// rootless runs this command in a new user namespace (pid 0) or in that of a
// process. When done is true the command is over, and err is its outcome.
func (a *app) rootless(cmd *cli.Command, pid int) (done bool, err error) {
	if a.euid == 0 {
		return false, nil
	}
	dir, err := a.stateDir(cmd.Root())
	if err != nil {
		return true, err
	}
	// Root of the namespace would otherwise keep its state where the host's
	// root does. Arguments are shown by ps(1); an environment would be hidden.
	if !cmd.Root().IsSet("root") {
		os.Args = slices.Insert(slices.Clone(os.Args), 1, "--root", dir)
	}
	status, done, err := a.reenter(pid)
	if err != nil {
		return true, err
	}
	return done, asStatus(status, nil)
}
