package main

// runcell version, and runcell --version.

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"
)

func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version, as --version does",
		Flags: []cli.Flag{cmdline.FormatFlag("text", "json")},
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			if cmd.String("format") == "json" {
				return cmdline.WriteJSON(a.Stdout, struct {
					Version string `json:"version"`
					Commit  string `json:"commit"`
					Spec    string `json:"spec"`
					Go      string `json:"go"`
				}{version, commit, specs.Version, runtime.Version()}, "  ")
			}
			return printVersion(a.Stdout)
		}),
	}
}

// printVersion prints the lines that callers look for.
func printVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "runcell version %s\ncommit: %s\nspec: %s\ngo: %s\n", version, commit, specs.Version, runtime.Version())
	return err
}
