package image

// Names in an image, as a tree takes them.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const maxName = 255 // bytes of one path component

// Components splits a name of an image into path components, dropping "" and
// ".": an absolute name starts at the tree's root, as it does in the cell. It
// refuses "..", a NUL byte, components that no file system takes, and names of
// more than most bytes, if most is not 0.
func Components(name string, most int) ([]string, error) {
	switch {
	case name == "":
		return nil, errors.New("an empty name")
	case most > 0 && len(name) > most:
		return nil, fmt.Errorf("a name of %d bytes, at most %d are taken (--max-path)", len(name), most)
	case strings.ContainsRune(name, 0):
		return nil, errors.New("a NUL byte in the name")
	}
	names := slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
	for _, n := range names {
		if n == ".." {
			return nil, errors.New(`".." in the name`)
		}
		if len(n) > maxName {
			return nil, fmt.Errorf("a name component of %d bytes, at most %d are possible", len(n), maxName)
		}
	}
	return names, nil
}
