package pack

// Images out of layers, for whoever makes some.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/netbsd-cells/runcell/image"
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

// sink is where a new image is written: a layout.Writer or a store.Writer.
type sink interface {
	Temp() (*os.File, error)                                     // a new file
	Drop(f *os.File) error                                       // removes it
	Keep(f *os.File, d digest.Digest) error                      // makes it a blob
	Blob(d digest.Digest, data []byte) error                     // stores a small blob
	CopyBlob(context.Context, image.Source, v1.Descriptor) error // copies one of the base
	Publish(ctx context.Context, d v1.Descriptor) error          // gives the image its name
	Close() error
}

// Target says where an image is made.
type Target struct {
	Store string // where names are put; "": every name is a place
	Tag   string // the image's name in a layout, if the place has none
	// Outside, if not empty, is a directory that the image may not lie in.
	Outside string
}

// Writer makes one image out of layers.
type Writer struct{ sink }

// Create prepares to make the image called name: a place (see
// reference.ParseNew), or a name in t.Store. It gives the full name. What is there
// under the name stays until Finish; Close removes what is unfinished.
func Create(ctx context.Context, name string, t Target) (*Writer, string, error) {
	if t.Store != "" && !reference.IsPlace(name) {
		if t.Tag != "" {
			return nil, "", fmt.Errorf("the tag %s is for layouts: a name in the store has its own", image.Quote(t.Tag))
		}
		n, err := reference.Local(name)
		if err != nil {
			return nil, "", err
		}
		s, err := store.Open(ctx, t.Store, true)
		if err != nil {
			return nil, "", reference.PlaceHint(err, name)
		}
		return &Writer{&store.Writer{Store: s, Name: n.String()}}, n.String(), nil
	}
	ref, err := reference.ParseNew(name)
	if err != nil {
		return nil, "", err
	}
	if t.Tag != "" && ref.Ref != "" && t.Tag != ref.Ref {
		return nil, "", fmt.Errorf("the tag %s differs from the name after the colon: give one of them", image.Quote(t.Tag))
	}
	if ref.Ref == "" {
		ref.Ref = t.Tag
	}
	if t.Store != "" && layout.Same(ref.Path, t.Store) { // who writes a layout waits until nobody reads it: a base may be there
		return nil, "", fmt.Errorf("%s is the store itself: name the image without it, such as localhost/NAME:TAG", ref.Path)
	}
	out, err := layout.Create(ctx, ref, t.Outside)
	if err != nil {
		return nil, "", err
	}
	return &Writer{out}, ref.String(), nil
}

// Layer is a layer that was written, or one of a base.
type Layer struct {
	v1.Descriptor
	diffID digest.Digest
	res    *layer.Packed // nil for one of a base
	plain  int64         // bytes of the tar archive
	By     string        // for the history, if not that of all
}

// Finish writes config and manifest for the layers, the lowest first, and gives
// the image its name. Layers that are new get a line of history, by by unless they
// say otherwise.
func (out *Writer) Finish(ctx context.Context, cfg v1.Image, layers []Layer, by string) (*Result, error) {
	m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	cfg.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	total := &Result{}
	var notes image.Notes
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
		notes.Merge(l.res.Notes)
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
	total.Manifest, desc.Platform, total.Notes = desc.Digest, &cfg.Platform, notes.List
	return total, out.Publish(ctx, desc)
}

// WholeSeconds gives a time as image configs have it: UTC, without fractions of a
// second; nil stays nil.
func WholeSeconds(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC().Truncate(time.Second)
	return &utc
}

// Newest gives the newest of times as image configs have it. What those can't hold
// (RFC 3339 has four digits for a year), and what is before 1970, is 1970: readers of
// a history take for granted that there is a time.
func Newest(times ...time.Time) *time.Time {
	newest := time.Unix(0, 0)
	for _, t := range times {
		if t.After(newest) && t.UTC().Year() <= 9999 {
			newest = t
		}
	}
	return WholeSeconds(&newest)
}

// document stores v as a blob.
func (out *Writer) document(mediaType string, v any) (v1.Descriptor, error) {
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
// not kept, and nil. An error of fill is given as it is.
func (out *Writer) Layer(c image.Compression, fill func(io.Writer) (*layer.Packed, error)) (_ *Layer, err error) {
	f, err := out.Temp()
	if err != nil {
		return nil, err
	}
	kept := false
	defer func() {
		if !kept {
			err = errors.Join(err, out.Drop(f))
		}
		_ = f.Close() // Keep has synced it
	}()
	packed := stream.NewHasher(f)
	z, err := compress.NewWriter(packed, c)
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(stream.OnlyWriter{Writer: z}, stream.OnlyReader{Reader: pr}, make([]byte, stream.AheadSize))
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
	return &Layer{Descriptor: d, diffID: plain.Sum.Digest(), res: res, plain: plain.N}, nil
}
