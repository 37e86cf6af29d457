package store

// What runs holds its root file system, wherever its bundle is by now: the
// kernel knows what is mounted, and a cell's root is, or has mounts in it.

import (
	"fmt"
	"strings"
)

// mounted lists paths of what is mounted, and where. It is asked for once, if at
// all.
type mounted struct {
	known bool
	paths []string
}

// holds tells whether the directory of the store with the name is mounted
// anywhere, or something in it. Stores and the file systems that they are on can
// have other paths meanwhile, and the name is a hash, so it is the end of the
// path that counts.
func (m *mounted) holds(name string) (bool, error) {
	if !m.known {
		var err error
		if m.paths, err = mountedPaths(); err != nil {
			return false, fmt.Errorf("look for running cells: %w", err)
		}
		m.known = true
	}
	for _, p := range m.paths {
		if strings.Contains(p+"/", "/"+name+"/") {
			return true, nil
		}
	}
	return false, nil
}
