// Package layout reads and writes image layouts (image-spec, image-layout.md): a
// directory, or a tar archive of one. It reaches no file outside a layout, and
// gives no name to what is not whole. What blobs hold it verifies only of
// documents.
package layout

import (
	"context"
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

// ErrNoLayout is the error of a directory or archive that is none.
var ErrNoLayout = errors.New("it is no OCI image layout")

// Layout is an open image layout (image-spec, image-layout.md).
type Layout struct {
	name  string // for messages
	files fileSource
}

// fileSource gives the files of a layout by their slash-separated names.
// size is that of the opened file, in bytes.
type fileSource interface {
	open(name string) (f io.ReadCloser, size int64, err error)
	Close() error
}

// Open opens the layout that ref names. The caller closes it.
func Open(ctx context.Context, ref reference.Place, limits image.Limits) (*Layout, reference.Place, error) {
	ref, err := ref.Locate()
	if err != nil {
		return nil, ref, err
	}
	if ref.Transport == reference.DockerArchive {
		return nil, ref, fmt.Errorf("open image %s: it is no OCI image layout: import it first (runcell image import %s)", ref, ref)
	}
	l := &Layout{name: ref.Path}
	if ref.Transport == reference.LayoutDir {
		l.files, err = openDir(ref.Path)
	} else {
		l.files, err = openArchive(ctx, ref.Path, limits)
	}
	if err != nil {
		return nil, ref, fmt.Errorf("open image %s: %w", ref.Path, err)
	}
	if err := l.checkVersion(); err != nil {
		return nil, ref, errors.Join(err, l.Close())
	}
	return l, ref, nil
}

// InRoot opens the layout in an open directory; name is what messages call it.
// The layout closes root, but not if it is an error that InRoot gives.
func InRoot(root *os.Root, name string) (*Layout, error) {
	l := &Layout{name: name, files: dirSource{root: root}}
	if err := l.checkVersion(); err != nil {
		return nil, err
	}
	return l, nil
}

// Close releases the layout's files.
func (l *Layout) Close() error { return l.files.Close() }

// checkVersion tells what is no layout of a known version, and what it may be.
func (l *Layout) checkVersion() error {
	data, err := l.ReadFile(v1.ImageLayoutFile)
	if errors.Is(err, fs.ErrNotExist) {
		if f, _, err := l.files.open("manifest.json"); err == nil {
			_ = f.Close()
			return fmt.Errorf("open image %s: it is an archive of docker save: import it (runcell image import docker-archive:%s)", l.name, l.name)
		}
		return fmt.Errorf("open image %s: it has no file %s, so %w", l.name, v1.ImageLayoutFile, ErrNoLayout)
	}
	if err != nil {
		return fmt.Errorf("open image %s: %w", l.name, err)
	}
	var v v1.ImageLayout
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("open image %s: parse %s: %w", l.name, v1.ImageLayoutFile, err)
	}
	if v.Version != v1.ImageLayoutVersion {
		return fmt.Errorf("open image %s: imageLayoutVersion %s: only %s is known", l.name, image.Quote(v.Version), v1.ImageLayoutVersion)
	}
	return nil
}

// ReadFile reads one of the layout's own JSON files, of at most image.MaxIndex
// bytes.
func (l *Layout) ReadFile(name string) ([]byte, error) {
	f, size, err := l.files.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > image.MaxIndex {
		return nil, fmt.Errorf("read %s: %d bytes, at most %d are read", name, size, image.MaxIndex)
	}
	return verify.ReadAll(f, size)
}

// OpenBlob opens the blob of a descriptor. What it gives is not verified yet,
// but its length is the descriptor's. The error of a missing one is
// fs.ErrNotExist.
func (l *Layout) OpenBlob(d v1.Descriptor) (io.ReadCloser, error) {
	if err := verify.Digest(d.Digest); err != nil {
		return nil, err
	}
	f, size, err := l.files.open(verify.BlobName(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s (%s) is missing in %s: %w", d.Digest, image.Quote(d.MediaType), l.name, fs.ErrNotExist)
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

// ReadBlob reads a JSON blob of at most image.MaxJSON bytes whole and verifies
// it.
func (l *Layout) ReadBlob(d v1.Descriptor) ([]byte, error) {
	return verify.Document(d, func() (io.ReadCloser, error) { return l.OpenBlob(d) })
}

// dirSource is a layout in a directory. No file outside it is reachable.
type dirSource struct{ root *os.Root }

func openDir(path string) (fileSource, error) {
	root, err := Directory(path)
	if err != nil {
		return nil, err
	}
	return dirSource{root: root}, nil
}

func (d dirSource) Close() error { return d.root.Close() }

// open refuses anything but a regular file, before opening it: opening a
// FIFO blocks and opening a device can act.
func (d dirSource) open(name string) (io.ReadCloser, int64, error) {
	before, err := d.root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !before.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
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

// Image is an image whose blobs a layout has.
type Image struct {
	*manifest.Image
	Layout *Layout
}

// Image resolves ref ("" for any; else annotation
// org.opencontainers.image.ref.name) and what is wanted to one image. The error
// is a *manifest.PlatformError if there is none for the platform.
func (l *Layout) Image(ref string, want manifest.Want) (*Image, error) {
	data, err := l.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.name, err)
	}
	top, err := manifest.ParseIndex(data, "")
	if err != nil {
		return nil, fmt.Errorf("read image %s: parse %s: %w", l.name, v1.ImageIndexFile, err)
	}
	roots, err := manifest.Named(top.Manifests, ref)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.name, err)
	}
	img, err := l.Choose(roots, want)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.name, err)
	}
	return img, nil
}

// Choose picks the wanted image out of what roots lead to.
func (l *Layout) Choose(roots []v1.Descriptor, want manifest.Want) (*Image, error) {
	img, err := manifest.Choose(l, roots, want)
	if err != nil {
		return nil, err
	}
	return &Image{Image: img, Layout: l}, nil
}

// ByDigest opens an image that need not have a name any more, for whatever
// platform it is.
func (l *Layout) ByDigest(d digest.Digest, limits image.Limits) (*Image, error) {
	f, size, err := l.files.open(verify.BlobName(d))
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
	return l.Choose([]v1.Descriptor{desc}, manifest.Want{Platform: cfg.Platform, Limits: limits})
}

// EmptyIndex is the file index.json of a layout without images.
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

// VersionFile is the file oci-layout, which marks a directory as a layout.
const VersionFile = `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`
