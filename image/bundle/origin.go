package bundle

import (
	"path/filepath"

	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/opencontainers/go-digest"
)

// originOf describes what openImage has opened, with absolute paths.
func originOf(name, full, store string, manifest digest.Digest) (o Origin, err error) {
	o = Origin{Image: full, Manifest: manifest}
	if store != "" && !reference.IsPlace(name) {
		o.Store, err = filepath.Abs(store)
		return o, err
	}
	ref, err := reference.ParsePlace(full)
	if err != nil {
		return o, err
	}
	ref.Path, err = filepath.Abs(ref.Path)
	o.Image = ref.String()
	return o, err
}
