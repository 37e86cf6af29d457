package reference

// Places: where an image is when it has no name in the store.

import (
	"fmt"
	"os"
	"strings"
)

// IsPlace tells whether name is a place (oci:DIR, oci-archive:FILE,
// docker-archive:FILE, or a path that begins with "/" or "."), not a name in
// the store. It does not look what exists: a file that somebody puts into the
// working directory must not change what a command means.
func IsPlace(name string) bool {
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, ".") {
		return true
	}
	scheme, rest, _ := strings.Cut(name, ":")
	switch Transport(scheme) {
	case LayoutDir, LayoutArchive, DockerArchive:
		return true
	}
	return strings.HasPrefix(rest, "//")
}

// PlaceHint helps who forgot that a path begins with "/" or ".".
func PlaceHint(err error, name string) error {
	path, _, _ := strings.Cut(name, ":")
	if _, e := os.Stat(path); e != nil { //nolint:forbidigo // the operator's own path
		return err
	}
	return fmt.Errorf("%w (the path is written ./%s)", err, name)
}
