package bundle

// What a bundle remembers of its image.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/opencontainers/go-digest"
)

// Origin says what a bundle was made of; it is the bundle's file image.json.
type Origin struct {
	Image    string        `json:"image"` // full name, or the place
	Manifest digest.Digest `json:"manifest"`
	Store    string        `json:"store,omitempty"`  // absolute; empty if Image is a place
	Rootfs   string        `json:"rootfs,omitempty"` // copy or shared; empty if it is in the bundle
	// Entrypoint is how many of process.args are the image's entry point: another
	// command comes behind them.
	Entrypoint int `json:"entrypoint,omitempty"`
}

// What Origin.Rootfs can be.
const (
	RootfsCopy   = "copy"
	RootfsShared = "shared"
)

// originOf describes what store.OpenImage has opened, with absolute paths.
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

// ReadOrigin reads what a bundle was made of. A bundle that Unpack or Make did not
// make is an error that wraps fs.ErrNotExist.
func ReadOrigin(bundle string) (*Origin, error) {
	f, err := os.Open(bundle + "/" + originName) //nolint:forbidigo // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("read the bundle's origin: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, image.MaxJSON))
	o := &Origin{}
	if err == nil {
		err = json.Unmarshal(data, o)
	}
	if err != nil {
		return nil, fmt.Errorf("read the bundle's origin: %s: %w", f.Name(), err)
	}
	return o, nil
}
