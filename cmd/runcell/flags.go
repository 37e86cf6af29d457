package main

// Flags and arguments that several commands share.

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

// inertBool makes a flag that other runtimes have and that means nothing on
// cells. It is accepted, because callers pass it blindly.
func inertBool(name, why string) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: why, Category: cmdline.InertCategory}
}

// interactiveFlag is what hands type as -it.
func interactiveFlag() cli.Flag {
	return &cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Category: cmdline.InertCategory, Usage: "standard input is the program's in any case"}
}

func bundleFlag() cli.Flag {
	return &cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Value: ".", Usage: "the bundle: `DIR` holds config.json"}
}

// processFlags are those of every command that starts a process.
func processFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "pid-file", Usage: "write the process's number to `FILE`"},
		&cli.StringFlag{Name: "console-socket", Usage: "send the terminal to the listener at `SOCKET`"},
		&cli.StringFlag{Name: "pidfd-socket", Usage: "send a descriptor of the process to the listener at `SOCKET` (Linux only)"},
		&cli.IntFlag{Name: "preserve-fds", Usage: "let the process inherit `N` descriptors after the first three"},
	}
}

// containerFlags are those of create and run.
func containerFlags() []cli.Flag {
	return append([]cli.Flag{
		bundleFlag(),
		&cli.BoolFlag{Name: "no-pivot", Usage: "do not use pivot_root(2), which fails on an initramfs (Linux only: NetBSD has none)"},
		inertBool("no-new-keyring", "cells have no keyrings"),
	}, processFlags()...)
}

// createOptions reads the flags of create and run.
func (a *app) createOptions(cmd *cli.Command) (runtime.CreateOptions, error) {
	o := runtime.CreateOptions{
		PreserveFDs: cmd.Int("preserve-fds"), NoPivot: cmd.Bool("no-pivot"),
		NoCgroup: cmd.Root().String("cgroup-manager") == "disabled",
	}
	var err error
	if o.ID = cmd.Args().First(); o.ID == "" { // what follows is an image's command
		if o.ID, err = containerID(cmd); err != nil {
			return o, err
		}
	}
	if err := checkPreserve(o.PreserveFDs); err != nil {
		return o, err
	}
	if o.Sockets, err = a.sockets(); err != nil {
		return o, err
	}
	return o, absolute(cmd, map[string]*string{
		"bundle": &o.Bundle, "pid-file": &o.PidFile,
		"console-socket": &o.ConsoleSocket, "pidfd-socket": &o.PidfdSocket,
	})
}

// sockets reads what a service manager says of sockets that it has opened for
// this very process (sd_listen_fds(3)).
func (a *app) sockets() (runtime.Sockets, error) {
	pid, n := a.getenv("LISTEN_PID"), a.getenv("LISTEN_FDS")
	if n == "" || pid != strconv.Itoa(os.Getpid()) {
		return runtime.Sockets{}, nil
	}
	const most = 1 << 16
	count, err := strconv.Atoi(n)
	if err != nil || count < 0 || count > most {
		return runtime.Sockets{}, fmt.Errorf("LISTEN_FDS %q in the environment is no number from 0 to %d: unset it", n, most)
	}
	return runtime.Sockets{N: count, Names: a.getenv("LISTEN_FDNAMES")}, nil
}

func checkPreserve(n int) error {
	if n < 0 {
		return fmt.Errorf("--preserve-fds %d: give the number of descriptors to keep, 0 or more", n)
	}
	return nil
}

// absolute reads flags that name files. It makes them absolute at once, before
// anything changes the working directory. An empty or missing flag stays empty.
func absolute(cmd *cli.Command, flags map[string]*string) error {
	for name, to := range flags {
		path := cmd.String(name)
		if path == "" {
			continue
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("resolve --%s %q: %w", name, path, err)
		}
		*to = abs
	}
	return nil
}

// containerID gives the only argument of a command.
func containerID(cmd *cli.Command) (string, error) {
	return onlyArgument(cmd, "a container ID")
}

func onlyArgument(cmd *cli.Command, what string) (string, error) {
	if n := cmd.Args().Len(); n != 1 {
		return "", fmt.Errorf("%s needs %s and nothing else, got %d arguments; usage: %s %s",
			cmd.Name, what, n, cmd.FullName(), cmd.ArgsUsage)
	}
	return cmd.Args().First(), nil
}
