package main

// runcell spec.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/urfave/cli/v3"
)

func (a *app) specCommand() *cli.Command {
	return &cli.Command{
		Name:  "spec",
		Usage: "write an example config.json to start from",
		Description: `The example runs a shell in the directory "rootfs" of the bundle, which is made if it
is missing; what is in it is up to you ("runcell image unpack" makes a whole bundle). An
existing config.json is never overwritten.`,
		Flags: []cli.Flag{
			bundleFlag(),
			inertBool("rootless", "the example is the same: runcell makes a user namespace itself where the caller is not root"),
		},
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			bundle := cmd.String("bundle")
			if err := writeSpec(bundle); err != nil {
				return err
			}
			if err := os.Mkdir(filepath.Join(bundle, rootfsDir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("make root directory: %w", err)
			}
			return nil
		}),
	}
}

// rootfsDir is where the example has its root.
const rootfsDir = "rootfs"

// writeSpec writes the example, into a bundle that is made if need be.
func writeSpec(bundle string) error {
	path := filepath.Join(bundle, "config.json")
	text, err := json.MarshalIndent(oci.Example(), "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		return fmt.Errorf("make bundle: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: remove it first, or write elsewhere with --bundle DIR", path)
	}
	if err != nil {
		return fmt.Errorf("create config: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("write config: %w", err)
	}
	return nil
}
