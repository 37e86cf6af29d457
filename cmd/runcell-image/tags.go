package main

// image list --remote-tags: what a registry has.

import (
	"context"
	"fmt"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/urfave/cli/v3"
)

// storeOrRegistry refuses flags that say something about a registry where the store
// is listed, and the other way around.
func storeOrRegistry(cmd *cli.Command) error {
	if cmd.IsSet("remote-tags") {
		if cmd.IsSet("store") {
			return fmt.Errorf("--store and --remote-tags exclude each other: a registry does not ask what is here")
		}
		return nil
	}
	for _, f := range registryFlags() {
		if name := f.Names()[0]; cmd.IsSet(name) {
			return fmt.Errorf("--%s says something about a registry: name a repository with --remote-tags REPOSITORY", name)
		}
	}
	return nil
}

// remoteTags are the tags of a repository, as JSON has them.
type remoteTags struct {
	Repository string   `json:"repository"` // full
	Tags       []string `json:"tags"`
}

func listTags(ctx context.Context, cmd *cli.Command) error {
	n, err := reference.ParseRepository(cmd.String("remote-tags"))
	if err != nil {
		return err
	}
	t := newTransfers(cmd.Root().ErrWriter, "list")
	o, err := registryOptions(cmd, t)
	if err != nil {
		return err
	}
	repo, err := registry.Open(n, o)
	if err != nil {
		return err
	}
	defer repo.Close()
	list := remoteTags{Repository: n.Registry + "/" + n.Repository}
	list.Tags, err = repo.Tags(ctx)
	t.finish()
	if err != nil {
		return fmt.Errorf("list tags of %s: %w", list.Repository, err)
	}
	out := cmd.Root().Writer
	switch {
	case cmd.Bool("quiet"):
		return cmdline.WriteLines(out, list.Tags)
	case cmd.String("format") == "json":
		return cmdline.WriteJSON(out, list, "  ")
	}
	return cmdline.WriteLines(out, append([]string{"TAG"}, list.Tags...))
}
