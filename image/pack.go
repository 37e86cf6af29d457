// Pack: a root filesystem becomes an image with one layer. The same input
// gives the same digests: entries are sorted, nothing carries the time of
// packing or the names of users, and compressors run with fixed settings.

package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// PackOptions say how to pack.
type PackOptions struct {
	Platform    v1.Platform // zero: the host's
	Compression Compression // empty: gzip
	Tag         string      // the image's name in the layout, if the reference has none
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
	Notes    []Note        `json:"notes,omitempty"`
}

// Pack packs the directory rootfs as the image called name: oci:DIR[:TAG]
// makes a layout or adds to it, oci-archive:FILE[:TAG] makes an archive. A
// plain path is an archive if it ends in .tar, else a layout. What is there
// under the name is replaced only once the new image is whole.
func Pack(ctx context.Context, rootfs, name string, o PackOptions) (_ *PackResult, err error) {
	if o.Platform.OS == "" {
		o.Platform = HostPlatform()
	}
	if o.Compression == "" {
		o.Compression = Gzip
	}
	if err := checkConfig(&o.Config); err != nil {
		return nil, err
	}
	ref, err := packReference(name)
	if err != nil {
		return nil, err
	}
	if o.Tag != "" && ref.Ref != "" && o.Tag != ref.Ref {
		return nil, fmt.Errorf("pack %s: the tag %s differs from the name after the colon: give one of them", ref, quote(o.Tag))
	}
	if ref.Ref == "" {
		ref.Ref = o.Tag
	}
	out, err := newOutput(ref, rootfs)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", ref, err)
	}
	defer func() { err = errors.Join(err, out.close()) }()
	res, err := out.pack(ctx, rootfs, o)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", ref, err)
	}
	return res, nil
}

// checkConfig refuses what Unpack would refuse.
func checkConfig(c *v1.ImageConfig) error {
	if _, err := environment(c.Env, "", ""); err != nil {
		return err
	}
	if c.WorkingDir != "" {
		if _, err := components(c.WorkingDir, 4096); err != nil {
			return fmt.Errorf("config.WorkingDir %s: %w", quote(c.WorkingDir), err)
		}
	}
	_, err := exposed(c.ExposedPorts)
	return err
}

// pack writes the blobs and publishes the image.
func (out *output) pack(ctx context.Context, rootfs string, o PackOptions) (*PackResult, error) {
	layer, diffID, res, err := out.layer(ctx, rootfs, o)
	if err != nil {
		return nil, err
	}
	created := o.created()
	cfg := v1.Image{
		Created: created, Author: o.Author, Platform: o.Platform, Config: o.Config,
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
		History: []v1.History{{Created: created, CreatedBy: "runcell image pack"}},
	}
	cfgDesc, err := out.document(v1.MediaTypeImageConfig, cfg)
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{Versioned: schema2, MediaType: v1.MediaTypeImageManifest, Config: cfgDesc, Layers: []v1.Descriptor{layer}}
	desc, err := out.document(v1.MediaTypeImageManifest, m)
	if err != nil {
		return nil, err
	}
	res.Manifest, res.Layer, res.DiffID, res.Size = desc.Digest, layer.Digest, diffID, layer.Size
	desc.Platform = &o.Platform
	return res, out.publish(ctx, desc)
}

// created is the image's creation time; without a given one it has none,
// because it would differ at every run.
func (o *PackOptions) created() *time.Time {
	t := o.Epoch
	if t == nil {
		t = o.MTime
	}
	if t == nil {
		return nil
	}
	utc := t.UTC().Truncate(time.Second)
	return &utc
}

// document stores v as a blob.
func (out *output) document(mediaType string, v any) (v1.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if len(data) > maxJSON {
		return v1.Descriptor{}, fmt.Errorf("the image's %s has %d bytes, at most %d can be read again", mediaType, len(data), maxJSON)
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, out.blob(d.Digest, data)
}

// layer packs the tree as the image's layer: the walker writes tar into a
// pipe, another goroutine compresses from it.
func (out *output) layer(ctx context.Context, rootfs string, o PackOptions) (v1.Descriptor, digest.Digest, *PackResult, error) {
	fail := func(err error) (v1.Descriptor, digest.Digest, *PackResult, error) {
		return v1.Descriptor{}, "", nil, err
	}
	f, err := out.temp()
	if err != nil {
		return fail(err)
	}
	kept := false
	defer func() {
		_ = f.Close() // keep has synced it
		if !kept {
			_ = out.dir.Remove(filepath.Base(f.Name()))
		}
	}()
	packed := newHashing(f)
	z, err := compressor(packed, o.Compression)
	if err != nil {
		return fail(err)
	}
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(onlyWriter{z}, onlyReader{pr}, make([]byte, aheadSize))
		err = errors.Join(err, z.Close())
		pr.CloseWithError(err) // a walker that still writes stops
		done <- err
	}()
	plain := newHashing(pw)
	res, err := packTree(ctx, rootfs, plain, o)
	_ = pw.CloseWithError(err) // nil is the end
	if e := <-done; err == nil {
		err = e
	}
	if err != nil {
		return fail(err)
	}
	res.Unpacked = plain.n
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: packed.sum.Digest(), Size: packed.n}
	if o.Compression != None {
		d.MediaType += "+" + string(o.Compression)
	}
	if err := out.keep(f, d.Digest); err != nil {
		return fail(err)
	}
	kept = true
	return d, plain.sum.Digest(), res, nil
}

// Copying through these uses the given buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
