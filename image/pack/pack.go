// Pack: a root filesystem becomes an image with one layer. The same input
// gives the same digests: entries are sorted, nothing carries the time of
// packing or the names of users, and compressors run with fixed settings.

package pack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/compress"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// PackOptions say how to pack.
type PackOptions struct {
	Platform    v1.Platform       // zero: the host's
	Compression image.Compression // empty: gzip
	Tag         string            // the image's name in the layout, if the reference has none
	Store       string            // where names are put and looked up; "": every name is a place
	// Base, if not empty, is the image that the new one is built upon: only
	// what differs is packed, as one more layer, and Config changes the
	// base's field by field.
	Base string
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

// PackResult says what was packed.
type PackResult struct {
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
// new image is whole.
func Pack(ctx context.Context, rootfs, name string, o PackOptions) (_ *PackResult, err error) {
	if o.Platform.OS == "" {
		o.Platform = manifest.HostPlatform()
	}
	if o.Compression == "" {
		o.Compression = image.Gzip
	}
	if err := bundle.CheckConfig(&o.Config); err != nil {
		return nil, err
	}
	out, full, err := OpenSink(ctx, rootfs, name, &o)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	res, err := NewImageWriter(out).pack(ctx, rootfs, o)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", full, err)
	}
	return res, nil
}

// sink is where a new image is written: a layout or the store.
type sink interface {
	Temp() (*os.File, error)                                     // a new file
	Drop(f *os.File) error                                       // removes it
	Keep(f *os.File, d digest.Digest) error                      // makes it a blob
	Blob(d digest.Digest, data []byte) error                     // stores a small blob
	CopyBlob(context.Context, image.Source, v1.Descriptor) error // copies one of the base
	Publish(ctx context.Context, d v1.Descriptor) error          // gives the image its name
	Close() error
}

// OpenSink opens the sink for a name and gives the full name.
func OpenSink(ctx context.Context, rootfs, name string, o *PackOptions) (sink, string, error) {
	if o.Store != "" && !reference.IsPlace(name) {
		if o.Tag != "" {
			return nil, "", fmt.Errorf("the tag %s is for layouts: a name in the store has its own", image.Quote(o.Tag))
		}
		n, err := reference.Local(name)
		if err != nil {
			return nil, "", err
		}
		s, err := store.Open(ctx, o.Store, true)
		if err != nil {
			return nil, "", reference.PlaceHint(err, name)
		}
		return &store.Writer{s, n.String()}, n.String(), nil
	}
	ref, err := reference.ParseNew(name)
	if err != nil {
		return nil, "", err
	}
	if o.Tag != "" && ref.Ref != "" && o.Tag != ref.Ref {
		return nil, "", fmt.Errorf("the tag %s differs from the name after the colon: give one of them", image.Quote(o.Tag))
	}
	if ref.Ref == "" {
		ref.Ref = o.Tag
	}
	out, err := layout.Create(ctx, ref, rootfs)
	return out, ref.String(), err
}

// ImageWriter makes images out of layers.
type ImageWriter struct{ sink }

func NewImageWriter(to sink) ImageWriter { return ImageWriter{to} }

// pack writes the blobs and publishes the image.
func (out ImageWriter) pack(ctx context.Context, rootfs string, o PackOptions) (*PackResult, error) {
	if o.Base != "" {
		return out.packOn(ctx, rootfs, o)
	}
	l, err := out.Layer(o.Compression, func(w io.Writer) (*layer.Packed, error) { return layer.Pack(ctx, rootfs, w, o.stamps()) })
	if err != nil {
		return nil, err
	}
	cfg := v1.Image{Created: o.created(), Author: o.Author, Platform: o.Platform, Config: o.Config}
	return out.Finish(ctx, cfg, []NewLayer{*l}, "runcell image pack")
}

// NewLayer is a layer that was written, or one of a base.
type NewLayer struct {
	v1.Descriptor
	diffID digest.Digest
	res    *layer.Packed // nil for one of a base
	plain  int64         // bytes of the tar archive
	By     string        // for the history, if not that of all
}

// Finish writes config and manifest for the layers and publishes the image.
// Layers that are new get a line of history.
func (out ImageWriter) Finish(ctx context.Context, cfg v1.Image, layers []NewLayer, by string) (*PackResult, error) {
	m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	cfg.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	total := &PackResult{}
	for _, l := range layers {
		m.Layers = append(m.Layers, l.Descriptor)
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, l.diffID)
		if l.res == nil {
			continue
		}
		total.Layer, total.DiffID = l.Digest, l.diffID
		total.Entries += l.res.Entries
		total.Size += l.Size
		total.Unpacked += l.plain
		total.Notes = append(total.Notes, l.res.Notes...)
		if l.By == "" {
			l.By = by
		}
		cfg.History = append(cfg.History, v1.History{Created: cfg.Created, CreatedBy: l.By})
	}
	if total.Layer == "" { // only the config is new
		cfg.History = append(cfg.History, v1.History{Created: cfg.Created, CreatedBy: by, EmptyLayer: true})
	}
	var err error
	if m.Config, err = out.document(v1.MediaTypeImageConfig, cfg); err != nil {
		return nil, err
	}
	desc, err := out.document(v1.MediaTypeImageManifest, m)
	if err != nil {
		return nil, err
	}
	total.Manifest, desc.Platform = desc.Digest, &cfg.Platform
	return total, out.Publish(ctx, desc)
}

func (o *PackOptions) stamps() layer.PackOptions {
	return layer.PackOptions{o.MTime, o.Epoch, o.Progress}
}

// created is the image's creation time; without a given one it has none,
// because it would differ at every run.
func (o *PackOptions) created() *time.Time {
	t := o.Epoch
	if t == nil {
		t = o.MTime
	}
	return WholeSeconds(t)
}

func WholeSeconds(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC().Truncate(time.Second)
	return &utc
}

// document stores v as a blob.
func (out ImageWriter) document(mediaType string, v any) (v1.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if len(data) > image.MaxJSON {
		return v1.Descriptor{}, fmt.Errorf("the image's %s has %d bytes, at most %d can be read again", mediaType, len(data), image.MaxJSON)
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, out.Blob(d.Digest, data)
}

// Layer writes what fill gives, a tar archive, as a layer: fill writes into
// a pipe, another goroutine compresses from it. A layer without entries is
// not kept, and nil.
func (out ImageWriter) Layer(c image.Compression, fill func(io.Writer) (*layer.Packed, error)) (_ *NewLayer, err error) {
	f, err := out.Temp()
	if err != nil {
		return nil, err
	}
	kept := false
	defer func() {
		if !kept {
			err = errors.Join(err, out.Drop(f))
		}
		_ = f.Close() // keep has synced it
	}()
	packed := stream.NewHasher(f)
	z, err := compress.NewWriter(packed, c)
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(stream.OnlyWriter{z}, stream.OnlyReader{pr}, make([]byte, stream.AheadSize))
		err = errors.Join(err, z.Close())
		pr.CloseWithError(err) // who still writes stops
		done <- err
	}()
	plain := stream.NewHasher(pw)
	res, err := fill(plain)
	_ = pw.CloseWithError(err) // nil is the end
	if e := <-done; err == nil {
		err = e
	}
	if err != nil || res.Entries == 0 {
		return nil, err
	}
	d := v1.Descriptor{MediaType: manifest.LayerType(c), Digest: packed.Sum.Digest(), Size: packed.N}
	if err := out.Keep(f, d.Digest); err != nil {
		return nil, err
	}
	kept = true
	return &NewLayer{Descriptor: d, diffID: plain.Sum.Digest(), res: res, plain: plain.N}, nil
}
