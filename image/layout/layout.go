// Image layouts on disk: a directory, or (archive.go) a tar archive of one.

package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is an open image layout (image-spec, image-layout.md).
type Layout struct {
	Name  string
	Files fileSource
}

// fileSource gives the files of a layout by their slash-separated names.
// size is that of the opened file, in bytes.
type fileSource interface {
	open(name string) (f io.ReadCloser, size int64, err error)
	Close() error
}

// Open opens the layout that ref names. The caller closes it.
func Open(ref reference.Place, limits image.Limits) (*Layout, reference.Place, error) {
	ref, err := ref.Locate()
	if err != nil {
		return nil, ref, err
	}
	if ref.Transport == reference.DockerArchive {
		return nil, ref, fmt.Errorf("open image %s: it is no OCI image layout: import it first (runcell image import %s)", ref, ref)
	}
	l := &Layout{Name: ref.Path}
	if ref.Transport == reference.LayoutDir {
		l.Files, err = openDir(ref.Path)
	} else {
		l.Files, err = openArchive(ref.Path, limits)
	}
	if err != nil {
		return nil, ref, fmt.Errorf("open image %s: %w", ref.Path, err)
	}
	if err := l.CheckVersion(); err != nil {
		return nil, ref, errors.Join(err, l.Close())
	}
	return l, ref, nil
}

// Close releases the layout's files.
func (l *Layout) Close() error { return l.Files.Close() }

func (l *Layout) CheckVersion() error {
	data, err := l.ReadFile(v1.ImageLayoutFile)
	if errors.Is(err, fs.ErrNotExist) {
		if f, _, err := l.Files.open("manifest.json"); err == nil {
			_ = f.Close()
			return fmt.Errorf("open image %s: it is an archive of docker save: import it (runcell image import docker-archive:%s)", l.Name, l.Name)
		}
		return fmt.Errorf("open image %s: it has no file %s, so it is no OCI image layout", l.Name, v1.ImageLayoutFile)
	}
	if err != nil {
		return fmt.Errorf("open image %s: %w", l.Name, err)
	}
	var v v1.ImageLayout
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("open image %s: parse %s: %w", l.Name, v1.ImageLayoutFile, err)
	}
	if v.Version != v1.ImageLayoutVersion {
		return fmt.Errorf("open image %s: imageLayoutVersion %s: only %s is known", l.Name, image.Quote(v.Version), v1.ImageLayoutVersion)
	}
	return nil
}

// ReadFile reads one of the layout's own JSON files.
func (l *Layout) ReadFile(name string) ([]byte, error) {
	f, size, err := l.Files.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > image.MaxJSON {
		return nil, fmt.Errorf("read %s: %d bytes, at most %d are read", name, size, image.MaxJSON)
	}
	return io.ReadAll(io.LimitReader(f, image.MaxJSON))
}

// OpenBlob opens the blob of a descriptor. What it gives is not verified yet.
func (l *Layout) OpenBlob(d v1.Descriptor) (io.ReadCloser, error) {
	if err := verify.Digest(d.Digest); err != nil {
		return nil, err
	}
	f, size, err := l.Files.open(verify.BlobName(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s (%s) is missing in %s: %w", d.Digest, image.Quote(d.MediaType), l.Name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	if size != d.Size {
		_ = f.Close()
		return nil, fmt.Errorf("blob %s: %d bytes, its descriptor says %d: %w", d.Digest, size, d.Size, verify.ErrMismatch)
	}
	return f, nil
}

// ReadBlob reads a JSON blob whole and verifies it.
func (l *Layout) ReadBlob(d v1.Descriptor) ([]byte, error) {
	return verify.Document(d, func() (io.ReadCloser, error) { return l.OpenBlob(d) })
}

// DirSource is a layout in a directory. No file outside it is reachable.
type DirSource struct{ Root *os.Root }

func openDir(path string) (fileSource, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return DirSource{root}, nil
}

func (d DirSource) Close() error { return d.Root.Close() }

// open refuses anything but a regular file, before opening it: opening a
// FIFO blocks and opening a device can act.
func (d DirSource) open(name string) (io.ReadCloser, int64, error) {
	before, err := d.Root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !before.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := d.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("%s was replaced while it was opened", name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, after.Size(), nil
}

// StoredImage is an image whose blobs a layout has.
type Image struct {
	*manifest.Image
	Layout *Layout
}

// Image resolves ref ("" for any) and the platform to one image.
func (l *Layout) Image(ref string, platform v1.Platform) (*Image, error) {
	data, err := l.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.Name, err)
	}
	top, err := manifest.ParseIndex(data, "")
	if err != nil {
		return nil, fmt.Errorf("read image %s: parse %s: %w", l.Name, v1.ImageIndexFile, err)
	}
	roots, err := manifest.Named(top.Manifests, ref)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.Name, err)
	}
	img, err := l.Choose(roots, platform)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.Name, err)
	}
	return img, nil
}

// Choose picks the image for a platform out of what roots lead to.
func (l *Layout) Choose(roots []v1.Descriptor, platform v1.Platform) (*Image, error) {
	img, err := manifest.Choose(l, roots, platform)
	if err != nil {
		return nil, err
	}
	return &Image{img, l}, nil
}

// ByDigest opens an image that need not have a name any more.
func (l *Layout) ByDigest(d digest.Digest) (*Image, error) {
	f, size, err := l.Files.open(verify.BlobName(d))
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	desc := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: size}
	data, err := l.ReadBlob(desc)
	if err != nil {
		return nil, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", d, err)
	}
	if m.MediaType == manifest.MediaTypeDockerManifest {
		desc.MediaType = m.MediaType
	}
	cfg, err := manifest.ReadConfig(l, m.Config)
	if err != nil {
		return nil, err
	}
	return l.Choose([]v1.Descriptor{desc}, cfg.Platform)
}

const EmptyIndex = `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[]}`

// Children gives what an index or manifest leads to; other blobs lead to
// nothing.
func (l *Layout) Children(d v1.Descriptor) ([]v1.Descriptor, error) {
	if !manifest.IsIndex(d.MediaType) && !manifest.IsManifest(d.MediaType) {
		return nil, nil
	}
	data, err := l.ReadBlob(d)
	if err != nil {
		return nil, err
	}
	return manifest.Children(d, data)
}

// LayoutContent marks a directory as an image layout.
const LayoutContent = `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`
