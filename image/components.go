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
// ".": an absolute name starts at the tree's root, as it does in the cell. ".."
// takes the component before it away, as text: that is what other tools make of
// it, and what is left is entered component by component all the same. A name
// that leads above the root is an error, and so are a NUL byte, components that
// no file system takes, and names of more than most bytes, if most is not 0.
func Components(name string, most int64) ([]string, error) {
	switch {
	case name == "":
		return nil, errors.New("an empty name")
	case most > 0 && int64(len(name)) > most:
		return nil, fmt.Errorf("a name of %d bytes, at most %d are taken (--max-path)", len(name), most)
	case strings.ContainsRune(name, 0):
		return nil, errors.New("a NUL byte in the name")
	}
	names := slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
	kept := names[:0]
	for _, n := range names {
		switch {
		case n == ".." && len(kept) == 0:
			return nil, errors.New(`".." in the name leads out of the root`)
		case n == "..":
			kept = kept[:len(kept)-1]
		case len(n) > maxName:
			return nil, fmt.Errorf("a name component of %d bytes, at most %d are possible", len(n), maxName)
		default:
			kept = append(kept, n)
		}
	}
	return kept, nil
}

// HasParent tells whether a name has a "..".
func HasParent(name string) bool {
	return strings.Contains(name, "..") && slices.Contains(strings.Split(name, "/"), "..")
}
