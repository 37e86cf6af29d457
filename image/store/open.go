package store

// What an IMAGE on the command line is: a place, or a name in the store.

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
)

// DefaultPath is the directory of the store that is used unless another is
// named: the system's for root, one in the home directory for others.
func DefaultPath() (string, error) {
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

// OpenImage opens a place, or a name in the store (unless that is ""), and
// gives the wanted image, its full name or place, and what the caller
// calls when done with it. The error of a missing name wraps ErrNoImage, that of
// one that the store's policy does not let be used trust.ErrRefused.
func OpenImage(ctx context.Context, name, store string, want manifest.Want) (_ *layout.Image, full string, closer func() error, err error) {
	return openImage(ctx, name, store, want, (*Store).Find)
}

// OpenToCompare is OpenImage for an image of which nothing is run: the policy is not
// asked. Who has taken a key out of it wants to see what its images became.
func OpenToCompare(ctx context.Context, name, store string, want manifest.Want) (_ *layout.Image, full string, closer func() error, err error) {
	return openImage(ctx, name, store, want, func(s *Store, name string, want manifest.Want) (*layout.Image, string, error) {
		img, full, _, err := s.find(name, want)
		return img, full, err
	})
}

// finder finds an image in a store.
type finder func(s *Store, name string, want manifest.Want) (*layout.Image, string, error)

func openImage(ctx context.Context, name, store string, want manifest.Want, find finder) (_ *layout.Image, full string, closer func() error, err error) {
	if store == "" || reference.IsPlace(name) {
		ref, err := reference.ParsePlace(name)
		if err != nil {
			return nil, "", nil, err
		}
		l, ref, err := layout.Open(ctx, ref, want.Limits)
		if err != nil {
			return nil, "", nil, err
		}
		img, err := l.Image(ref.Ref, want)
		if err != nil {
			return nil, "", nil, errors.Join(err, l.Close())
		}
		return img, ref.String(), l.Close, nil
	}
	s, err := Open(ctx, store, false)
	if err != nil {
		return nil, "", nil, reference.PlaceHint(err, name)
	}
	img, full, err := find(s, name, want)
	if err != nil {
		return nil, "", nil, errors.Join(reference.PlaceHint(err, name), s.Close())
	}
	return img, full, s.Close, nil
}
