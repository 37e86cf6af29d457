package cmdline

// What an image may cost, as flags. The programs have one table of them.

import "github.com/urfave/cli/v3"

// Limit is a flag that limits what an image may cost.
type Limit struct {
	Name   string
	Refuse string // what is refused, with the flag's argument
	Copy   bool   // it holds for images that are only copied, too; the others are about unpacking
}

// Limits are all limits of images.
var Limits = []Limit{
	{"max-size", "an image of more than `BYTES`, packed or uncompressed", true},
	{"max-blobs", "a name that leads to more than `N` documents and layers", true},
	{"max-layers", "an image of more than `N` layers", true},
	{"max-volumes", "an image of more than `N` volumes", true},
	{"max-entries", "an image of more than `N` files", false},
	{"max-path", "names and link targets of more than `BYTES`", false},
	{"max-ratio", "a layer that expands more than `N` times", false},
	{"max-window", "a zstd layer that makes its reader remember more than `BYTES`", false},
}

// Flag is the limit as a flag. value is what it is without the flag; prefix
// begins the help.
func (l Limit) Flag(prefix string, value int64) cli.Flag {
	return &cli.Int64Flag{Name: l.Name, Value: value, HideDefault: value == 0, Usage: prefix + "refuse " + l.Refuse + " (0: no limit)"}
}
