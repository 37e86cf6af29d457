package main

// runcell list.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) listCommand() *cli.Command {
	return &cli.Command{
		Name:    "list",
		Aliases: []string{"ls"},
		Usage:   "list the containers",
		Description: `The status of a stopped container has its program's exit status, as far as that is
known, the image of one that was made without an image is its bundle, and ports are those that
the kernel reserves for it. What does not fit into the line ends in "…": JSON has it.`,
		Flags: []cli.Flag{
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the IDs"},
		},
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			// One that can't be read does not hide the others.
			if cmd.Bool("quiet") {
				states, unread := e.List()
				return errors.Join(cmdline.WriteLines(a.Stdout, ids(states)), unread)
			}
			all, unread := e.Listing(ctx)
			return errors.Join(a.printList(cmd, listedAll(all)), unread)
		}),
	}
}

// listed is a container in the list: what every runtime tells, and more.
type listed struct {
	*runtime.State
	ExitStatus *int     `json:"exitStatus,omitempty"` // of a stopped one, if it is known
	Image      string   `json:"image,omitempty"`
	Ports      []string `json:"ports,omitempty"` // that the kernel reserves for it
}

func listedAll(all []runtime.Listed) []listed {
	list := make([]listed, len(all)) // JSON's callers index it: never null
	for i, l := range all {
		list[i] = listed{State: l.State, ExitStatus: l.ExitStatus, Image: originOf(l.Bundle).Image, Ports: portNames(l.Ports)}
	}
	return list
}

// gone is no error for what went while it was looked at.
func gone(err error) error {
	if errors.Is(err, runtime.ErrNotExist) || errors.Is(err, kmod.ErrNotFound) || errors.Is(err, runtime.ErrNotRunning) {
		return nil
	}
	return err
}

func portNames(ports []kmod.Port) (names []string) {
	for _, p := range ports {
		names = append(names, oci.PortString(p))
	}
	return names
}

func (a *app) printList(cmd *cli.Command, list []listed) error {
	if cmd.String("format") == "json" {
		return cmdline.WriteJSON(a.Stdout, list, "")
	}
	table := listTable(list, a.now())
	const image, ports = 4, 5
	cmdline.Fit(table, cmdline.TableWidth(a.Stdout), image, ports)
	return cmdline.WriteTable(a.Stdout, table)
}

func ids(states []*runtime.State) []string {
	var list []string
	for _, s := range states {
		list = append(list, s.ID)
	}
	return list
}

func listTable(list []listed, now time.Time) [][]string {
	table := [][]string{{"ID", "STATUS", "PID", "AGE", "IMAGE", "PORTS"}}
	for _, l := range list {
		status, pid := string(l.Status), "-"
		if l.ExitStatus != nil {
			status = fmt.Sprintf("%s (%d)", l.Status, *l.ExitStatus)
		}
		if l.Pid != 0 {
			pid = strconv.Itoa(l.Pid)
		}
		image := shortImage(l.Image)
		if image == "" {
			image = l.Bundle
		}
		table = append(table, []string{l.ID, status, pid, cmdline.Age(now.Sub(l.Created)), image, strings.Join(l.Ports, ",")})
	}
	return table
}

// shortImage leaves out what names are completed with.
func shortImage(name string) string {
	for _, prefix := range []string{"localhost/", "docker.io/library/"} {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			return short
		}
	}
	return name
}

func noArguments(cmd *cli.Command) error {
	if n := cmd.Args().Len(); n != 0 {
		return fmt.Errorf("%s takes no arguments, got %d", cmd.Name, n)
	}
	return nil
}
