// Archives of "docker save" and "podman save": manifest.json names a config
// and layer archives for each image. They become OCI images whose layers are
// those archives as they are.

package image

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

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerImage is an element of manifest.json.
type dockerImage struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// dockerArchive is an open archive, a source of images.
type dockerArchive struct {
	file   *os.File
	parts  map[string]part
	links  map[string]string // layers that occur twice are links in old archives
	images []dockerImage
	// Of the images that were converted:
	docs  map[digest.Digest][]byte
	blobs map[digest.Digest]part
}

func openDockerArchive(name string, limits Limits) (_ *dockerArchive, err error) {
	plain, err := openPlain(name, limits)
	if err != nil {
		return nil, err
	}
	a := &dockerArchive{
		file: plain, parts: map[string]part{}, links: map[string]string{},
		docs: map[digest.Digest][]byte{}, blobs: map[digest.Digest]part{},
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
	if err := json.Unmarshal(data, &a.images); err != nil {
		return nil, fmt.Errorf("parse manifest.json: %w", err)
	}
	if len(a.images) == 0 {
		return nil, errors.New("manifest.json lists no image")
	}
	return a, nil
}

// scan finds the archive's files. Their names are only ever compared.
func (a *dockerArchive) scan() error {
	tr := tar.NewReader(a.file)
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read archive: %w", err)
		}
		if n >= archiveFiles {
			return fmt.Errorf("read archive: more than %d entries", archiveFiles)
		}
		name := path.Clean(hdr.Name)
		_, dup1 := a.parts[name]
		_, dup2 := a.links[name]
		switch {
		case hdr.Typeflag == tar.TypeDir:
		case dup1 || dup2:
			return fmt.Errorf("read archive: %s occurs twice", quote(name))
		case hdr.Typeflag == tar.TypeSymlink:
			a.links[name] = path.Join(path.Dir(name), hdr.Linkname)
		case hdr.Typeflag == tar.TypeLink:
			a.links[name] = path.Clean(hdr.Linkname)
		case hdr.Typeflag == tar.TypeReg && hdr.PAXRecords["GNU.sparse.major"] == "":
			offset, err := a.file.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			a.parts[name] = part{offset, hdr.Size}
		}
	}
}

// find gives the bytes of a file, through links.
func (a *dockerArchive) find(name string) (part, error) {
	at := path.Clean(name)
	for range maxLinks {
		if p, ok := a.parts[at]; ok {
			return p, nil
		}
		next, ok := a.links[at]
		if !ok {
			break
		}
		at = next
	}
	return part{}, &fs.PathError{Op: "open", Path: quote(name), Err: fs.ErrNotExist}
}

// read reads a JSON file.
func (a *dockerArchive) read(name string) ([]byte, error) {
	p, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if p.size > maxJSON {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are read", quote(name), p.size, maxJSON)
	}
	return io.ReadAll(io.NewSectionReader(a.file, p.offset, p.size))
}

// convert makes an OCI manifest for an image of the archive.
func (a *dockerArchive) convert(ctx context.Context, img dockerImage) (v1.Descriptor, error) {
	fail := func(err error) (v1.Descriptor, error) { return v1.Descriptor{}, err }
	data, err := a.read(img.Config)
	if err != nil {
		return fail(err)
	}
	var cfg v1.Image
	if err := json.Unmarshal(data, &cfg); err != nil {
		return fail(fmt.Errorf("parse config %s: %w", quote(img.Config), err))
	}
	if len(cfg.RootFS.DiffIDs) != len(img.Layers) {
		return fail(fmt.Errorf("%d layers, but the config has %d rootfs.diff_ids", len(img.Layers), len(cfg.RootFS.DiffIDs)))
	}
	if len(img.Layers) > maxLayers {
		return fail(fmt.Errorf("%d layers, at most %d are read", len(img.Layers), maxLayers))
	}
	m := v1.Manifest{Versioned: schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
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

func (a *dockerArchive) document(mediaType string, data []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	a.docs[d.Digest] = data
	return d
}

// layer hashes a layer's archive. One that is not compressed must be what
// the config promises; the others are compared when they are unpacked.
func (a *dockerArchive) layer(ctx context.Context, name string, diffID digest.Digest) (v1.Descriptor, error) {
	p, err := a.find(name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if err := checkDigest(diffID); err != nil {
		return v1.Descriptor{}, err
	}
	magic := make([]byte, 4)
	if _, err := a.file.ReadAt(magic[:min(4, p.size)], p.offset); err != nil {
		return v1.Descriptor{}, err
	}
	compression := compressionOf(magic)
	sum := digest.Canonical.Digester()
	if compression == None {
		sum = diffID.Algorithm().Digester()
	}
	r := withContext{ctx, io.NewSectionReader(a.file, p.offset, p.size)}
	if _, err := io.CopyBuffer(sum.Hash(), r, make([]byte, aheadSize)); err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: layerType(compression), Digest: sum.Digest(), Size: p.size}
	if compression == None && d.Digest != diffID {
		return d, fmt.Errorf("%s: its digest is %s, rootfs.diff_ids says %s: %w", quote(name), d.Digest, diffID, errUnverified)
	}
	a.blobs[d.Digest] = p
	return d, nil
}

// compressionOf tells how data that begins with magic is compressed.
func compressionOf(magic []byte) Compression {
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		return Gzip
	case len(magic) >= 4 && string(magic[:4]) == "\x28\xb5\x2f\xfd":
		return Zstd
	}
	return None
}

// layerType is the media type of a layer.
func layerType(c Compression) string {
	if c == None {
		return v1.MediaTypeImageLayer
	}
	return v1.MediaTypeImageLayer + "+" + string(c)
}

func (a *dockerArchive) readBlob(d v1.Descriptor) ([]byte, error) {
	data, ok := a.docs[d.Digest]
	if !ok || int64(len(data)) != d.Size {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, fs.ErrNotExist)
	}
	return data, nil
}

func (a *dockerArchive) open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if data, ok := a.docs[d.Digest]; ok {
		return io.NopCloser(newSlice(data, offset)), nil
	}
	p, ok := a.blobs[d.Digest]
	if !ok {
		return nil, finalError{fmt.Errorf("blob %s: %w", d.Digest, fs.ErrNotExist)}
	}
	offset = min(offset, p.size)
	return io.NopCloser(io.NewSectionReader(a.file, p.offset+offset, p.size-offset)), nil
}

// withContext ends a long copy when ctx does.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (c withContext) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
