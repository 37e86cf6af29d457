package cmdline

// Where the containers' state is.

import (
	"errors"
	"path/filepath"
)

// StateDir gives the absolute state directory: that of --root, if given, or the
// caller's.
func StateDir(root string, given bool, euid int, getenv func(string) string) (string, error) {
	switch {
	case given && root == "":
		return "", errors.New("--root is empty: give a directory, or leave the flag out")
	case given:
		return filepath.Abs(root)
	case euid == 0:
		return StateRoot, nil
	}
	return userStateDir(getenv)
}
