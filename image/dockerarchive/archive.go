// Package dockerarchive reads archives of "docker save" and "podman save":
// manifest.json names a config and layer archives for each image. They become
// OCI images whose layers are those archives as they are. It writes none, and
// unpacks nothing: names in an archive are only ever compared.
package dockerarchive

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/archive"
	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/compress"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an element of manifest.json.
type Image struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// Archive is an open archive, an image.Source of the images that Convert made.
type Archive struct {
	file   *os.File
	limits image.Limits
	parts  map[string]archive.Part
	links  map[string]string // layers that occur twice are links in old archives
	Images []Image
	// Of the images that were converted:
	docs  map[digest.Digest][]byte
	blobs map[digest.Digest]archive.Part
}

// Open opens an archive, which may be compressed as a whole or come through a
// pipe. limits.MaxSize is the most that is copied then. The caller closes it.
func Open(ctx context.Context, name string, limits image.Limits) (_ *Archive, err error) {
	plain, err := archive.Open(ctx, name, limits)
	if err != nil {
		return nil, err
	}
	a := &Archive{
		file: plain, limits: limits, parts: map[string]archive.Part{}, links: map[string]string{},
		docs: map[digest.Digest][]byte{}, blobs: map[digest.Digest]archive.Part{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.file.Close())
		}
	}()
	if err := a.scan(); err != nil {
		return nil, err
	}
	data, err := a.read("manifest.json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &a.Images); err != nil {
		return nil, fmt.Errorf("parse manifest.json: %w", err)
	}
	if len(a.Images) == 0 {
		return nil, errors.New("manifest.json lists no image")
	}
	return a, nil
}

// scan finds the archive's files. Their names are only ever compared.
func (a *Archive) scan() error {
	return archive.Files(a.file, func(hdr *tar.Header, at archive.Part) error {
		name := path.Clean(hdr.Name)
		_, dup1 := a.parts[name]
		_, dup2 := a.links[name]
		switch {
		case hdr.Typeflag == tar.TypeDir:
		case dup1 || dup2:
			return fmt.Errorf("%s occurs twice", image.Quote(name))
		case hdr.Typeflag == tar.TypeSymlink:
			a.links[name] = path.Join(path.Dir(name), hdr.Linkname)
		case hdr.Typeflag == tar.TypeLink:
			a.links[name] = path.Clean(hdr.Linkname)
		case hdr.Typeflag == tar.TypeReg && hdr.PAXRecords["GNU.sparse.major"] == "":
			a.parts[name] = at
		}
		return nil
	})
}

// find gives the bytes of a file, through links.
func (a *Archive) find(name string) (archive.Part, error) {
	at := path.Clean(name)
	for range inroot.MaxLinks {
		if p, ok := a.parts[at]; ok {
			return p, nil
		}
		next, ok := a.links[at]
		if !ok {
			break
		}
		at = next
	}
	return archive.Part{}, &fs.PathError{Op: "open", Path: image.Quote(name), Err: fs.ErrNotExist}
}

// read reads a JSON file.
func (a *Archive) read(name string) ([]byte, error) {
	p, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if p.Size > image.MaxJSON {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are read", image.Quote(name), p.Size, image.MaxJSON)
	}
	return io.ReadAll(io.NewSectionReader(a.file, p.Offset, p.Size))
}

// Close closes the archive.
func (a *Archive) Close() error { return a.file.Close() }

// Convert makes an OCI manifest for an image of the archive. From then on its
// documents and layers are blobs of the archive; a layer whose content is not
// what the config promises is an error.
func (a *Archive) Convert(ctx context.Context, img Image) (v1.Descriptor, error) {
	fail := func(err error) (v1.Descriptor, error) { return v1.Descriptor{}, err }
	data, err := a.read(img.Config)
	if err != nil {
		return fail(err)
	}
	var cfg v1.Image
	if err := json.Unmarshal(data, &cfg); err != nil {
		return fail(fmt.Errorf("parse config %s: %w", image.Quote(img.Config), err))
	}
	if len(cfg.RootFS.DiffIDs) != len(img.Layers) {
		return fail(fmt.Errorf("%d layers, but the config has %d rootfs.diff_ids", len(img.Layers), len(cfg.RootFS.DiffIDs)))
	}
	if err := image.Over(int64(len(img.Layers)), a.limits.MaxLayers, "layers", "max-layers"); err != nil {
		return fail(err)
	}
	m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	m.Config = a.document(v1.MediaTypeImageConfig, data)
	for i, name := range img.Layers {
		d, err := a.layer(ctx, name, cfg.RootFS.DiffIDs[i])
		if err != nil {
			return fail(fmt.Errorf("layer %d: %w", i+1, err))
		}
		m.Layers = append(m.Layers, d)
	}
	if data, err = json.Marshal(m); err != nil {
		return fail(err)
	}
	d := a.document(v1.MediaTypeImageManifest, data)
	d.Platform = &cfg.Platform
	return d, nil
}

func (a *Archive) document(mediaType string, data []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	a.docs[d.Digest] = data
	return d
}

// layer hashes a layer's archive. One that is not compressed must be what
// the config promises; the others are compared when they are unpacked.
func (a *Archive) layer(ctx context.Context, name string, diffID digest.Digest) (v1.Descriptor, error) {
	p, err := a.find(name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if err := verify.Digest(diffID); err != nil {
		return v1.Descriptor{}, err
	}
	magic := make([]byte, 4)
	if _, err := a.file.ReadAt(magic[:min(4, p.Size)], p.Offset); err != nil {
		return v1.Descriptor{}, err
	}
	compression := compress.Detect(magic)
	sum := digest.Canonical.Digester()
	if compression == image.None {
		sum = diffID.Algorithm().Digester()
	}
	r := stream.WithContext{Ctx: ctx, R: io.NewSectionReader(a.file, p.Offset, p.Size)}
	if _, err := io.CopyBuffer(sum.Hash(), r, make([]byte, stream.AheadSize)); err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: manifest.LayerType(compression), Digest: sum.Digest(), Size: p.Size}
	if compression == image.None && d.Digest != diffID {
		return d, fmt.Errorf("%s: its digest is %s, rootfs.diff_ids says %s: %w", image.Quote(name), d.Digest, diffID, verify.ErrMismatch)
	}
	a.blobs[d.Digest] = p
	return d, nil
}

// ReadBlob gives a document of an image that was converted.
func (a *Archive) ReadBlob(d v1.Descriptor) ([]byte, error) {
	data, ok := a.docs[d.Digest]
	if !ok || int64(len(data)) != d.Size {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, fs.ErrNotExist)
	}
	return data, nil
}

// Open opens a layer of an image that was converted, at an offset in bytes.
func (a *Archive) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if data, ok := a.docs[d.Digest]; ok {
		return io.NopCloser(stream.Slice(data, offset)), nil
	}
	p, ok := a.blobs[d.Digest]
	if !ok {
		return nil, backoff.Final{Err: fmt.Errorf("blob %s: %w", d.Digest, fs.ErrNotExist)}
	}
	offset = min(offset, p.Size)
	return io.NopCloser(io.NewSectionReader(a.file, p.Offset+offset, p.Size-offset)), nil
}
