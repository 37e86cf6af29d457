package bundle

// Unpack: from an image's name to a bundle, made beside and renamed.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The files of a bundle.
const (
	rootfsName = "rootfs"
	configName = "config.json"
	configTemp = ".config.json.tmp"
	originName = "image.json" // see Origin
	originTemp = ".image.json.tmp"
)

// UnpackOptions say how to unpack. The zero value unpacks for the host.
type UnpackOptions struct {
	Store        string        // where names are looked up; "": every name is a place
	Platform     v1.Platform   // zero: the host's
	TrustIndex   bool          // see manifest.Want
	ReservePorts bool          // reserve the exposed ports for the cell
	Limits       *image.Limits // nil: image.DefaultLimits
	// NoSync returns before the bundle is on the disk. Otherwise a bundle
	// with a config.json is whole even after a power failure.
	NoSync bool
	// Strict makes every note an error.
	Strict bool
	// Progress, if not nil, is told of compressed bytes read, from several
	// goroutines but never at the same time.
	Progress func(done, total int64)
}

func (o UnpackOptions) withDefaults() UnpackOptions {
	if o.Platform.OS == "" {
		o.Platform = manifest.HostPlatform()
	}
	if o.Limits == nil {
		limits := image.DefaultLimits()
		o.Limits = &limits
	}
	return o
}

func (o UnpackOptions) want() manifest.Want {
	return manifest.Want{Platform: o.Platform, Limits: *o.Limits, TrustIndex: o.TrustIndex}
}

// Result says what was unpacked.
type Result struct {
	Manifest digest.Digest `json:"manifest"`
	Platform v1.Platform   `json:"platform"`
	Layers   int           `json:"layers"`
	Entries  int64         `json:"entries"`
	Size     int64         `json:"size"` // bytes of all layers uncompressed
	Notes    []image.Note  `json:"notes,omitempty"`
}

// Unpack makes the bundle from the image called name: a place (see
// reference.ParsePlace), or a name in o.Store. The directory must be missing or
// empty. An entry that is refused is an *image.EntryError, a blob that is not what
// its descriptor says wraps verify.ErrMismatch, and an image that has nothing for
// the platform is a *manifest.PlatformError.
func Unpack(ctx context.Context, name, bundle string, o UnpackOptions) (_ *Result, err error) {
	o = o.withDefaults()
	img, full, closeImage, err := store.OpenImage(ctx, name, o.Store, o.want())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeImage()) }()
	b, err := newBundle(bundle)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", full, err)
	}
	defer func() { err = errors.Join(err, b.close(err != nil)) }()
	res, spec, err := unpackImage(ctx, img, b.dir, o, (*layer.Applier).SetFlags)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", full, err)
	}
	if o.Strict && len(res.Notes) > 0 {
		return nil, fmt.Errorf("unpack %s: refused by --strict: %w", full, notesError(res.Notes))
	}
	origin, err := originOf(name, full, o.Store, res.Manifest)
	if err == nil {
		origin.Entrypoint = len(img.Config.Config.Entrypoint)
		err = b.writeJSON(originName, origin, !o.NoSync)
	}
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", full, err)
	}
	if err := b.writeConfig(spec, !o.NoSync); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", full, err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", full, err)
	}
	return res, nil
}

func notesError(list []image.Note) error {
	var errs []error
	for _, n := range list {
		errs = append(errs, errors.New(n.String()))
	}
	return errors.Join(errs...)
}

// unpackImage applies the image below dir/rootfs and makes the runtime config.
// flags says what becomes of the file flags: it is called when everything is
// there, because some of them forbid to make anything more.
func unpackImage(ctx context.Context, img *layout.Image, dir *os.Root, o UnpackOptions, flags func(*layer.Applier) error) (_ *Result, _ *specs.Spec, err error) {
	root, err := dir.Open(rootfsName)
	if err != nil {
		return nil, nil, err
	}
	t, err := inroot.OpenTree(root)
	if err = errors.Join(err, root.Close()); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	t.Age(unix.Timespec{}) // as mkdir, unless an entry says otherwise
	n := &image.Notes{}
	n.Merge(img.Notes.List)
	a := layer.NewApplier(t, *o.Limits, n, img.Config.OS == runtime.GOOS)
	if err := applyImage(ctx, img, a, o.Progress); err != nil {
		return nil, nil, err
	}
	spec, err := runtimeSpec(t, &img.Config, o.ReservePorts, n)
	if err != nil {
		return nil, nil, err
	}
	if err := flags(a); err != nil {
		return nil, nil, err
	}
	return &Result{
		Manifest: img.Descriptor.Digest, Platform: img.Config.Platform, Layers: len(img.Layers),
		Entries: a.Budget.Entries.Load(), Size: a.Budget.Size.Load(), Notes: n.List,
	}, spec, nil
}

// applyImage applies every layer. While one is written, the next is decompressed
// ahead, as far as its buffers go.
func applyImage(ctx context.Context, img *layout.Image, a *layer.Applier, progress func(done, total int64)) (err error) {
	seen := seenOf(img.Layers, progress)
	open := func(i int) (*layer.Reader, error) {
		if i == len(img.Layers) {
			return nil, nil //nolint:nilnil // none after the last
		}
		f, err := img.Layout.OpenBlob(img.Layers[i].Descriptor)
		if err != nil {
			return nil, fmt.Errorf("open layer %d: %w", i+1, err)
		}
		r, err := layer.Open(ctx, f, img.Layers[i], a.Budget, seen)
		if err != nil {
			return nil, fmt.Errorf("open layer %d: %w", i+1, err)
		}
		return r, nil
	}
	next, failed := open(0)
	defer func() {
		if next != nil {
			err = errors.Join(err, next.Close())
		}
	}()
	for i, l := range img.Layers {
		if failed != nil {
			return failed
		}
		r := next
		next, failed = open(i + 1)
		if err := errors.Join(a.Apply(ctx, i+1, l, r), r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// seenOf gives what the layers' readers call with each number of bytes, on
// goroutines of their own.
func seenOf(layers []manifest.Layer, progress func(done, total int64)) func(n int) {
	if progress == nil {
		return nil
	}
	var done, total int64
	for _, l := range layers {
		total += l.Size
	}
	var mu sync.Mutex
	return func(n int) {
		mu.Lock()
		defer mu.Unlock()
		done += int64(n)
		progress(done, total)
	}
}

// syncTree is what sync calls; tests look when it happens.
var syncTree = inroot.SyncTree

// sync waits until all of the bundle is on the disk.
func (b *bundle) sync() error { return onDir(b.dir, ".", syncTree) }

// syncNames has the files of the bundle on the disk under their names, and the
// bundle under its own.
func (b *bundle) syncNames() error {
	return errors.Join(onDir(b.dir, ".", (*os.File).Sync), onDir(b.parent, ".", (*os.File).Sync))
}

func onDir(in *os.Root, name string, do func(*os.File) error) error {
	f, err := in.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}

// writeConfig completes the bundle.
func (b *bundle) writeConfig(spec *specs.Spec, sync bool) error {
	if sync {
		if err := b.sync(); err != nil {
			return fmt.Errorf("write the root file system to the disk: %w", err)
		}
	}
	if err := b.writeJSON(configName, spec, sync); err != nil || !sync {
		return err
	}
	if err := b.syncNames(); err != nil {
		return fmt.Errorf("write the bundle's name to the disk: %w", err)
	}
	return nil
}

// writeJSON writes a file of the bundle, whole or not at all.
func (b *bundle) writeJSON(name string, v any, sync bool) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	temp := "." + name + ".tmp"
	f, err := b.dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return b.dir.Rename(temp, name)
}
