package main

// The command line on NetBSD, where the host's side runs.

import (
	"flag"
	"os"

	hostside "github.com/netbsd-cells/runcell/conformance/adversary/host"
)

func host(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case hostside.LaunchArg:
			return hostside.Launch(args[1:])
		case hostside.IdleArg:
			return hostside.Idle()
		}
	}
	var o hostside.Options
	flags := flag.NewFlagSet("adversary", flag.ExitOnError)
	flags.StringVar(&o.Dir, "workdir", "", "work below this `directory`; default: the system's")
	flags.StringVar(&o.Run, "run", "", "only what matches these `regexps`: a kind, a subject, an item, as in \"syscall root ^kill$\"")
	_ = flags.Parse(args)
	ok, err := hostside.Run(o, os.Stdout)
	if err == nil && !ok {
		os.Exit(1)
	}
	return err
}
