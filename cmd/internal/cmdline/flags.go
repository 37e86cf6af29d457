package cmdline

// The flags that stand before the command.

import (
	"context"
	"fmt"

	"github.com/containerd/log"
	"github.com/urfave/cli/v3"
)

// InertCategory is the heading for flags that are accepted but do nothing.
const InertCategory = "ACCEPTED FOR OTHER TOOLS, NO EFFECT ON CELLS"

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Usage: "keep the containers' state in `DIR` (default: " + StateRootHelp + ")"},
		&cli.StringFlag{Name: "log", Usage: "append errors and warnings to `FILE` too"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "write the log as `text|json`"},
		&cli.BoolFlag{Name: "debug", Usage: "log what is done, step by step"},
		&cli.BoolFlag{Name: "strict", Usage: "refuse a configuration that a cell can not carry out exactly, instead of warning"},
		&cli.StringFlag{Name: "emulate", Usage: "behave as the kernel module `current|published` does; all cells of a state directory are of one (Linux only)"},
		&cli.StringFlag{
			Name: "cgroup-manager", Local: true, Validator: checkManager,
			Usage: "`cgroupfs|systemd|disabled`; disabled makes no cgroup at linux.cgroupsPath, the others are alike (Linux only: NetBSD has none)",
		},
		&cli.BoolFlag{Name: "systemd-cgroup", Local: true, Category: InertCategory, Usage: "the form of linux.cgroupsPath tells"},
		&cli.GenericFlag{Name: "rootless", Local: true, Category: InertCategory, Value: &anyBool{}, Usage: "`true|false|auto`; it depends on who runs runcell"},
	}
}

func checkManager(s string) error {
	switch s {
	case "cgroupfs", "systemd", "disabled":
		return nil
	}
	return fmt.Errorf("unknown manager %q (use cgroupfs, systemd or disabled)", s)
}

// LogInert says at debug level which of the given flags did nothing.
func LogInert(ctx context.Context, cmd *cli.Command) {
	for _, c := range cmd.Lineage() {
		for _, f := range c.Flags {
			if g, ok := f.(cli.CategorizableFlag); ok && g.GetCategory() == InertCategory && f.IsSet() {
				log.G(ctx).Debugf("flag --%s has no effect on cells", f.Names()[0])
			}
		}
	}
}

// anyBool is the value of --rootless, which callers give alone or as
// true, false or auto.
type anyBool struct{ s string }

func (b *anyBool) IsBoolFlag() bool { return true }
func (b *anyBool) String() string   { return b.s }
func (b *anyBool) Get() any         { return b.s }

func (b *anyBool) Set(s string) error {
	switch s {
	case "true", "false", "auto":
		b.s = s
		return nil
	}
	return fmt.Errorf("%q is not true, false or auto", s)
}
