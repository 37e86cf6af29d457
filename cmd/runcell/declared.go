package main

// What is known of a container that is not there.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

// whereDeclared adds to an error where more is to be learnt: a declared cell's
// container is gone when its program has ended, and its log and status are not.
func (a *app) whereDeclared(cmd *cli.Command, err error) error {
	var gone runtime.NotExistError
	ofService := func(c *cli.Command) bool { return c.Name == "service" }
	if !errors.As(err, &gone) || service.CheckName(gone.ID) != nil || slices.ContainsFunc(cmd.Lineage(), ofService) {
		return err
	}
	if _, serr := os.Lstat(filepath.Join(a.etc, "runcell", gone.ID+service.Suffix)); serr != nil {
		return err
	}
	return fmt.Errorf("%w; %s is declared: \"runcell service status %s\" tells more", err, gone.ID, gone.ID)
}
