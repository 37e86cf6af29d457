package bundle

// What differs between a bundle and its image.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/store"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// WithUnpacked runs f on a fresh copy of the image's root file system, made below
// storeDir or, if that is "" or can't be written to, in TMPDIR, and removes it. The
// layers are verified again, so nothing that was changed meanwhile counts. With
// points it has the mount points that Make adds.
func WithUnpacked(ctx context.Context, img *layout.Image, storeDir string, limits image.Limits, points bool, f func(layer.Original) error) (err error) {
	temp, err := store.MkdirTemp(storeDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp)) }()
	b, err := newBundle(filepath.Join(temp, "b")) //nolint:forbidigo // made just now
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(true)) }()
	from := layer.Original{Rootfs: b.path + "/" + rootfsName}
	listFlags := func(a *layer.Applier) (err error) { from.Flags, err = a.ListFlags(); return err }
	if _, _, err := unpackImage(ctx, img, b.dir, UnpackOptions{Limits: &limits}.withDefaults(), listFlags); err != nil {
		return err
	}
	if points {
		if err := makeMountPoints(b.dir); err != nil {
			return err
		}
	}
	return f(from)
}

// Change is something that differs between a root file system and its image.
type Change struct {
	Kind string   `json:"kind"`           // added, removed or changed
	Path string   `json:"path"`           // absolute in the root file system
	What []string `json:"what,omitempty"` // of what changed: content, mode, owner and so on
}

// The kinds of Change.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// DiffOptions say what to compare with.
type DiffOptions struct {
	Image      string        // instead of the one that image.json names
	Store      string        // where Image is looked up
	Platform   v1.Platform   // of Image; zero: the host's
	TrustIndex bool          // see manifest.Want
	Limits     *image.Limits // nil: image.DefaultLimits
}

// Diff tells what changed in a bundle's root file system against the image
// that it was made of. The image is read from its layers again, and verified.
func Diff(ctx context.Context, bundle string, o DiffOptions) (list []Change, err error) {
	fail := func(err error) ([]Change, error) { return nil, fmt.Errorf("diff %s: %w", bundle, err) }
	want := UnpackOptions{Platform: o.Platform, TrustIndex: o.TrustIndex, Limits: o.Limits}.withDefaults().want()
	rootfs, err := bundleRootfs(bundle)
	if err != nil {
		return fail(err)
	}
	img, origin, closeImage, err := originImage(ctx, bundle, o, want)
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, closeImage()) }()
	note := func(kind string) func(string, string, *unix.Stat_t) error {
		return func(_, path string, _ *unix.Stat_t) error {
			list = append(list, Change{Kind: kind, Path: "/" + path})
			return nil
		}
	}
	d := &layer.Differ{Ctx: ctx, Added: note(Added), Removed: note(Removed)}
	d.Changed = func(_, path string, _ *unix.Stat_t, what []string) error {
		list = append(list, Change{Kind: Changed, Path: filepath.Clean("/" + path), What: what})
		return nil
	}
	store := origin.Store
	if o.Store != "" {
		store = o.Store
	}
	err = WithUnpacked(ctx, img, store, want.Limits, origin.Rootfs != "", func(from layer.Original) error { return d.Run(from, rootfs) })
	if err != nil {
		return fail(err)
	}
	return list, nil
}

// bundleRootfs gives the root file system that config.json names.
func bundleRootfs(bundle string) (string, error) {
	f, err := os.Open(bundle + "/" + configName) //nolint:forbidigo // the operator's own path
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, image.MaxJSON))
	var spec specs.Spec
	if err == nil {
		err = json.Unmarshal(data, &spec)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	case spec.Root == nil || spec.Root.Path == "":
		return "", fmt.Errorf("%s: root.path is missing", f.Name())
	case filepath.IsAbs(spec.Root.Path):
		return spec.Root.Path, nil
	}
	return bundle + "/" + spec.Root.Path, nil
}

// originImage opens the image of a bundle.
func originImage(ctx context.Context, bundle string, o DiffOptions, want manifest.Want) (*layout.Image, *Origin, func() error, error) {
	origin, err := ReadOrigin(bundle)
	if o.Image != "" {
		if err != nil {
			origin = &Origin{}
		}
		img, _, closeImage, err := store.OpenToCompare(ctx, o.Image, o.Store, want)
		return img, origin, closeImage, err
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: name the image with --image", err)
	}
	if err := verify.Digest(origin.Manifest); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", originName, err)
	}
	layout, closer, err := openOrigin(ctx, origin, want.Limits)
	if err != nil {
		return nil, nil, nil, err
	}
	img, err := layout.ByDigest(origin.Manifest, want.Limits)
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("%s: %w", origin.Image, err), closer())
	}
	return img, origin, closer, nil
}

// openOrigin opens the layout that a bundle's image came from.
func openOrigin(ctx context.Context, o *Origin, limits image.Limits) (*layout.Layout, func() error, error) {
	if o.Store != "" {
		s, err := store.Open(ctx, o.Store, false)
		if err != nil {
			return nil, nil, err
		}
		return s.Layout, s.Close, nil
	}
	ref, err := reference.ParsePlace(o.Image)
	if err != nil {
		return nil, nil, err
	}
	l, _, err := layout.Open(ctx, ref, limits)
	if err != nil {
		return nil, nil, err
	}
	return l, l.Close, nil
}
