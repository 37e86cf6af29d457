// What an IMAGE on the command line is: a place, or a name in the store.

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// DefaultStore is the store that is used unless another is named: the
// system's for root, one in the home directory for others.
func DefaultStore() (string, error) {
	if os.Geteuid() == 0 {
		return rootStore, nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); strings.HasPrefix(dir, "/") {
		return dir + "/runcell/images", nil
	}
	if home := os.Getenv("HOME"); strings.HasPrefix(home, "/") {
		return home + "/.local/share/runcell/images", nil
	}
	return "", errors.New("there is no place for images: set HOME or XDG_DATA_HOME, or give --store DIR")
}

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

// openImage opens a place, or a name in the store (unless that is ""), and
// gives the image for a platform. The caller closes what it returns.
func openImage(ctx context.Context, name, store string, limits Limits, platform v1.Platform) (_ *StoredImage, full string, closer func() error, err error) {
	if store == "" || IsPlace(name) {
		ref, err := ParseReference(name)
		if err != nil {
			return nil, "", nil, err
		}
		l, ref, err := Open(ref, limits)
		if err != nil {
			return nil, "", nil, err
		}
		img, err := l.Image(ref.Ref, platform)
		if err != nil {
			return nil, "", nil, errors.Join(err, l.Close())
		}
		return img, ref.String(), l.Close, nil
	}
	s, err := OpenStore(ctx, store, false)
	if err != nil {
		return nil, "", nil, placeHint(err, name)
	}
	img, full, err := s.Find(name, platform)
	if err != nil {
		return nil, "", nil, errors.Join(placeHint(err, name), s.Close())
	}
	return img, full, s.Close, nil
}

// originOf describes what openImage has opened, with absolute paths.
func originOf(name, full, store string, manifest digest.Digest) (o Origin, err error) {
	o = Origin{Image: full, Manifest: manifest}
	if store != "" && !IsPlace(name) {
		o.Store, err = filepath.Abs(store)
		return o, err
	}
	ref, err := ParseReference(full)
	if err != nil {
		return o, err
	}
	ref.Path, err = filepath.Abs(ref.Path)
	o.Image = ref.String()
	return o, err
}

// placeHint helps who forgot that a path begins with "/" or ".".
func placeHint(err error, name string) error {
	path, _, _ := strings.Cut(name, ":")
	if _, e := os.Stat(path); e != nil { //nolint:forbidigo // the operator's own path
		return err
	}
	return fmt.Errorf("%w (the path is written ./%s)", err, name)
}
