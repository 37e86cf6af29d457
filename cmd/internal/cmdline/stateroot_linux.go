package cmdline

// Where root keeps the state, and what outlives it.

import (
	"fmt"
	"path/filepath"
)

// StateRoot is root's state directory unless --root names another.
const StateRoot = "/run/runcell"

// StateRootHelp says it in the help.
const StateRootHelp = StateRoot + " for root, $XDG_RUNTIME_DIR/runcell for others"

// userStateDir is that of others, who emulate cells in a user namespace.
func userStateDir(getenv func(string) string) (string, error) {
	dir := getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) {
		return "", fmt.Errorf("XDG_RUNTIME_DIR is %q: set it to an absolute directory of your own, give --root DIR, or run as root", dir)
	}
	return filepath.Join(dir, "runcell"), nil
}

// DataRoot is the directory of what stays when the state is gone: images,
// data directories, roots of services.
const DataRoot = "/var/lib/runcell"
