package main

// runcell features.

import (
	"context"
	"io"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/urfave/cli/v3"
)

func (a *app) featuresCommand() *cli.Command {
	return &cli.Command{
		Name:  "features",
		Usage: "print what this runtime and this kernel can do",
		Description: `Each row says how far the kernel's side goes: "enforced", "recorded" (kept and
shown, but not enforced) or "absent", with the reason. On a terminal it is a table, elsewhere
the JSON that other programs read.`,
		Flags: []cli.Flag{cmdline.FormatFlag("json", "table")},
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			f, err := e.Features()
			if err != nil {
				return err
			}
			if cmdline.FormatAsked(cmd) == "table" {
				return writeFeatures(a.Stdout, f)
			}
			return cmdline.WriteJSON(a.Stdout, oci.DescribeFeatures(f, version, commit), "  ")
		}),
	}
}

// writeFeatures prints the kernel's side as a table.
func writeFeatures(w io.Writer, f kmod.Features) error {
	table := [][]string{{"FEATURE", "SUPPORT", "REASON"}}
	for _, r := range oci.FeatureRows(f) {
		table = append(table, []string{r.Name, string(r.Level), r.Reason})
	}
	return cmdline.WriteTable(w, table)
}
