// Package pack turns root file systems into images: of one layer, or of what
// differs from another image as one more; and it gives images another
// configuration. The same input gives the same digests:
// entries are sorted, nothing carries the time of packing or the names of users,
// and compressors run with fixed settings.
//
// It never changes the root file system, never follows a link out of it, and
// replaces an image only by a whole one.
package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options say how to pack.
type Options struct {
	Platform    v1.Platform       // zero: the host's
	Compression image.Compression // empty: gzip
	Tag         string            // the image's name in the layout, if the reference has none
	Store       string            // where names are put and looked up; "": every name is a place
	// Base, if not empty, is the image that the new one is built upon: only
	// what differs is packed, as one more layer, and Config changes the
	// base's field by field.
	Base       string
	TrustIndex bool          // of Base, see manifest.Want
	Limits     *image.Limits // of Base; nil: image.DefaultLimits
	// MTime, if not nil, is given to every entry.
	MTime *time.Time
	// Epoch, if not nil, is given to every entry that is newer
	// (SOURCE_DATE_EPOCH).
	Epoch  *time.Time
	Author string
	Config v1.ImageConfig
	// Progress, if not nil, is told of bytes read from files; the total is
	// not known.
	Progress func(done, total int64)
}

// Result says what was packed.
type Result struct {
	Manifest digest.Digest `json:"manifest"`
	Layer    digest.Digest `json:"layer"`
	DiffID   digest.Digest `json:"diffID"`
	Entries  int64         `json:"entries"`
	Size     int64         `json:"size"`     // bytes of the layer
	Unpacked int64         `json:"unpacked"` // bytes of the tar archive
	Notes    []image.Note  `json:"notes,omitempty"`
}

// Pack packs the directory rootfs as the image called name: oci:DIR[:TAG]
// makes a layout or adds to it, oci-archive:FILE[:TAG] makes an archive. A
// plain path is an archive if it ends in .tar, else a layout. Any other name
// is one in the store. What is there under the name is replaced only once the
// new image is whole; on an error nothing has changed.
func Pack(ctx context.Context, rootfs, name string, o Options) (_ *Result, err error) {
	if o.Platform.OS == "" {
		o.Platform = manifest.HostPlatform()
	}
	if o.Compression == "" {
		o.Compression = image.Gzip
	}
	if err := bundle.CheckConfig(&o.Config); err != nil {
		return nil, err
	}
	out, full, err := Create(ctx, name, Target{Store: o.Store, Tag: o.Tag, Outside: rootfs})
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	res, err := out.pack(ctx, rootfs, o)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", full, err)
	}
	return res, nil
}

// pack writes the blobs and publishes the image.
func (out *Writer) pack(ctx context.Context, rootfs string, o Options) (*Result, error) {
	if o.Base != "" {
		return out.packOn(ctx, rootfs, o)
	}
	l, err := out.Layer(o.Compression, func(w io.Writer) (*layer.Packed, error) { return layer.Pack(ctx, rootfs, w, o.stamps()) })
	if err != nil {
		return nil, err
	}
	cfg := v1.Image{Created: o.created(l.res.Newest), Author: o.Author, Platform: o.Platform, Config: o.Config}
	return out.Finish(ctx, cfg, []Layer{*l}, "runcell image pack")
}

func (o *Options) stamps() layer.PackOptions {
	return layer.PackOptions{MTime: o.MTime, Epoch: o.Epoch, Progress: o.Progress}
}

// created is the image's creation time: the given one, or that of what it is made
// of, of which the newest counts. The time of day would differ at every run.
func (o *Options) created(of ...time.Time) *time.Time {
	switch {
	case o.Epoch != nil:
		return WholeSeconds(o.Epoch)
	case o.MTime != nil:
		return WholeSeconds(o.MTime)
	}
	return Newest(of...)
}
