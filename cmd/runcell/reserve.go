package main

// runcell reserve.

import (
	"context"
	"net/netip"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/urfave/cli/v3"
)

func (a *app) reserveCommand() *cli.Command {
	return &cli.Command{
		Name:      "reserve",
		Usage:     "keep ports and addresses for the host",
		ArgsUsage: "[PORT|ADDRESS ...]",
		Description: `No cell can bind what is reserved here: a port, such as 22/tcp or 192.0.2.1:53,
or any port of an address, such as 192.0.2.1, in which case no cell of network
host can bind all addresses at once. It replaces what was reserved before.`,
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			var r kmod.Reservations
			for _, arg := range cmd.Args().Slice() {
				if addr, err := netip.ParseAddr(arg); err == nil {
					r.Addresses = append(r.Addresses, addr)
					continue
				}
				p, err := oci.ParsePort(arg)
				if err != nil {
					return err
				}
				r.Ports = append(r.Ports, p)
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			return e.Reserve(r)
		}),
	}
}
