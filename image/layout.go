// Image layouts on disk: a directory, or (archive.go) a tar archive of one.

package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is an open image layout (image-spec, image-layout.md).
type Layout struct {
	name  string
	files fileSource
}

// fileSource gives the files of a layout by their slash-separated names.
// size is that of the opened file, in bytes.
type fileSource interface {
	open(name string) (f io.ReadCloser, size int64, err error)
	Close() error
}

// Open opens the layout that ref names. The caller closes it.
func Open(ref Reference, limits Limits) (*Layout, Reference, error) {
	ref, err := ref.locate()
	if err != nil {
		return nil, ref, err
	}
	if ref.Transport == DockerArchive {
		return nil, ref, fmt.Errorf("open image %s: it is no OCI image layout: import it first (runcell image import %s)", ref, ref)
	}
	l := &Layout{name: ref.Path}
	if ref.Transport == LayoutDir {
		l.files, err = openDir(ref.Path)
	} else {
		l.files, err = openArchive(ref.Path, limits)
	}
	if err != nil {
		return nil, ref, fmt.Errorf("open image %s: %w", ref.Path, err)
	}
	if err := l.checkVersion(); err != nil {
		return nil, ref, errors.Join(err, l.Close())
	}
	return l, ref, nil
}

// Close releases the layout's files.
func (l *Layout) Close() error { return l.files.Close() }

func (l *Layout) checkVersion() error {
	data, err := l.readFile(v1.ImageLayoutFile)
	if errors.Is(err, fs.ErrNotExist) {
		if f, _, err := l.files.open("manifest.json"); err == nil {
			_ = f.Close()
			return fmt.Errorf("open image %s: it is an archive of docker save: import it (runcell image import docker-archive:%s)", l.name, l.name)
		}
		return fmt.Errorf("open image %s: it has no file %s, so it is no OCI image layout", l.name, v1.ImageLayoutFile)
	}
	if err != nil {
		return fmt.Errorf("open image %s: %w", l.name, err)
	}
	var v v1.ImageLayout
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("open image %s: parse %s: %w", l.name, v1.ImageLayoutFile, err)
	}
	if v.Version != v1.ImageLayoutVersion {
		return fmt.Errorf("open image %s: imageLayoutVersion %s: only %s is known", l.name, quote(v.Version), v1.ImageLayoutVersion)
	}
	return nil
}

// readFile reads one of the layout's own JSON files.
func (l *Layout) readFile(name string) ([]byte, error) {
	f, size, err := l.files.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxJSON {
		return nil, fmt.Errorf("read %s: %d bytes, at most %d are read", name, size, maxJSON)
	}
	return io.ReadAll(io.LimitReader(f, maxJSON))
}

// openBlob opens the blob of a descriptor. What it gives is not verified yet.
func (l *Layout) openBlob(d v1.Descriptor) (io.ReadCloser, error) {
	if err := checkDigest(d.Digest); err != nil {
		return nil, err
	}
	f, size, err := l.files.open(blobName(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s (%s) is missing in %s: %w", d.Digest, quote(d.MediaType), l.name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	if size != d.Size {
		_ = f.Close()
		return nil, fmt.Errorf("blob %s: %d bytes, its descriptor says %d: %w", d.Digest, size, d.Size, errUnverified)
	}
	return f, nil
}

// readBlob reads a JSON blob whole and verifies it.
func (l *Layout) readBlob(d v1.Descriptor) ([]byte, error) {
	if d.Size < 0 || d.Size > maxJSON {
		return nil, fmt.Errorf("blob %s: size %d: a document has at most %d bytes", quote(string(d.Digest)), d.Size, maxJSON)
	}
	f, err := l.openBlob(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	v, err := newVerified(f, d)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(v)
}

// dirSource is a layout in a directory. No file outside it is reachable.
type dirSource struct{ root *os.Root }

func openDir(path string) (fileSource, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return dirSource{root}, nil
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

// StoredImage is an image whose blobs a layout has.
type StoredImage struct {
	*Image
	layout *Layout
}

// Image resolves ref ("" for any) and the platform to one image.
func (l *Layout) Image(ref string, platform v1.Platform) (*StoredImage, error) {
	data, err := l.readFile(v1.ImageIndexFile)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.name, err)
	}
	top, err := parseIndex(data, "")
	if err != nil {
		return nil, fmt.Errorf("read image %s: parse %s: %w", l.name, v1.ImageIndexFile, err)
	}
	roots, err := named(top.Manifests, ref)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.name, err)
	}
	img, err := l.choose(roots, platform)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", l.name, err)
	}
	return img, nil
}

// choose picks the image for a platform out of what roots lead to.
func (l *Layout) choose(roots []v1.Descriptor, platform v1.Platform) (*StoredImage, error) {
	img, err := chooseFrom(l, roots, platform)
	if err != nil {
		return nil, err
	}
	return &StoredImage{img, l}, nil
}
