package layout

// Layouts that are written: a directory, or an archive made out of a
// temporary one. Nothing takes its final name before it is whole.

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/lock"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// Writer is a layout being written. A new one is filled under a temporary
// name beside its own and renamed at the end; an existing one, locked, gets
// blobs and at last a new index.
type Writer struct {
	ref    reference.Place
	dir    *os.Root
	work   string // the directory that dir is
	isTemp bool   // work is temporary
	lock   *os.File
	temps  int // made so far
}

// Create prepares the output. It must not lie inside what is packed, if
// that is not "".
func Create(ctx context.Context, ref reference.Place, rootfs string) (*Writer, error) {
	ref.Path = filepath.Clean(ref.Path)
	parent := filepath.Dir(ref.Path)
	if rootfs == "" {
	} else if inside, err := within(parent, rootfs); err != nil || inside {
		if err == nil {
			err = fmt.Errorf("it would lie inside %s, which is packed: write it elsewhere", rootfs)
		}
		return nil, err
	}
	if err := removeStale(ref.Path); err != nil {
		return nil, err
	}
	out := &Writer{ref: ref, work: ref.Path}
	fi, err := os.Stat(ref.Path) //nolint:forbidigo // the operator's own path
	switch {
	case ref.Transport == reference.LayoutArchive && err == nil && !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file: it can't be replaced by an archive", ref.Path)
	case ref.Transport == reference.LayoutDir && err == nil && !isEmptyDir(ref.Path):
		return out, out.openExisting(ctx)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if out.lock, err = tempDir(ctx, ref.Path); err != nil {
		return nil, err
	}
	out.work, out.isTemp = out.lock.Name(), true
	if out.dir, err = Directory(out.work); err == nil {
		err = errors.Join(out.dir.MkdirAll("blobs/sha256", 0o755), out.dir.Chmod(".", 0o755))
	}
	if err == nil {
		err = out.dir.WriteFile(v1.ImageLayoutFile, []byte(VersionFile), 0o644)
	}
	if err == nil {
		err = out.dir.WriteFile(v1.ImageIndexFile, []byte(EmptyIndex), 0o644)
	}
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// within tells whether dir is inside (or is) base, links resolved.
func within(dir, base string) (bool, error) {
	var err error
	for _, p := range []*string{&dir, &base} {
		if *p, err = filepath.Abs(*p); err == nil {
			*p, err = filepath.EvalSymlinks(*p) //nolint:forbidigo // the operator's own paths
		}
		if err != nil {
			return false, err
		}
	}
	rel, err := filepath.Rel(base, dir)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../"), err
}

// Same tells whether two paths lead to the same file or directory, which is there.
func Same(a, b string) bool {
	one, err := os.Stat(a) //nolint:forbidigo // the operator's own paths
	if err != nil {
		return false
	}
	other, err := os.Stat(b) //nolint:forbidigo // the operator's own paths
	return err == nil && os.SameFile(one, other)
}

// isEmptyDir tells whether a new layout can take path's place.
func isEmptyDir(path string) bool {
	list, err := os.ReadDir(path) //nolint:forbidigo // the operator's own path
	return err == nil && len(list) == 0
}

// openExisting opens a layout to add to it.
func (out *Writer) openExisting(ctx context.Context) error {
	l, _, err := Open(ctx, out.ref, image.Limits{})
	if err != nil {
		return fmt.Errorf("add to it: %w", err)
	}
	if err := l.Close(); err != nil {
		return err
	}
	if out.lock, err = os.Open(out.work); err != nil { //nolint:forbidigo // the operator's own path
		return err
	}
	if err := lock.File(ctx, out.lock, flock.Exclusive); err != nil {
		return errors.Join(err, out.lock.Close())
	}
	if out.dir, err = Directory(out.work); err != nil {
		return errors.Join(err, out.lock.Close())
	}
	if err := errors.Join(out.removeTemps(), out.dir.MkdirAll("blobs/sha256", 0o755)); err != nil {
		return errors.Join(err, out.Close())
	}
	return nil
}

// Close releases the output and removes what is temporary.
func (out *Writer) Close() error {
	var err error
	if out.dir != nil {
		err = out.dir.Close()
	}
	if out.isTemp {
		err = errors.Join(err, os.RemoveAll(out.work))
	}
	if out.lock != nil {
		err = errors.Join(err, out.lock.Close())
	}
	return err
}

// Keep gives the layer's file its name.
func (out *Writer) Keep(f *os.File, d digest.Digest) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := out.dir.MkdirAll(path.Dir(verify.BlobName(d)), 0o755); err != nil {
		return err
	}
	return out.dir.Rename(filepath.Base(f.Name()), verify.BlobName(d))
}

// Drop removes a file that temp made.
func (out *Writer) Drop(f *os.File) error { return out.dir.Remove(filepath.Base(f.Name())) }

// Blob stores a small blob.
func (out *Writer) Blob(d digest.Digest, data []byte) error {
	if err := out.dir.MkdirAll(path.Dir(verify.BlobName(d)), 0o755); err != nil {
		return err
	}
	return out.replaceFile(verify.BlobName(d), data)
}

// replaceFile writes a file under another name first.
func (out *Writer) replaceFile(name string, data []byte) error {
	f, err := out.Temp()
	if err != nil {
		return err
	}
	temp := filepath.Base(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = out.dir.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, out.dir.Remove(temp))
	}
	return nil
}

// Publish puts the image into the index and gives the output its name.
func (out *Writer) Publish(ctx context.Context, d v1.Descriptor) error {
	if out.ref.Ref != "" {
		d.Annotations = map[string]string{v1.AnnotationRefName: out.ref.Ref}
	}
	if err := out.index(out.ref.Ref, d); err != nil {
		return err
	}
	if !out.isTemp {
		return nil
	}
	if out.ref.Transport == reference.LayoutArchive {
		return out.archive(ctx)
	}
	err := unix.Rename(out.work, out.ref.Path) // os.Rename refuses an empty directory
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return out.merge(ctx) // somebody else was first
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: out.work, New: out.ref.Path, Err: err}
	}
	out.isTemp = false
	return nil
}

// Manifest gives the manifest that has a name in the output, nil if none has.
func (out *Writer) Manifest(name string) (*v1.Manifest, error) {
	l, err := InRoot(out.dir, out.work) // not closed: the directory is the output's
	if err != nil {
		return nil, err
	}
	data, err := l.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	x, err := manifest.ParseIndex(data, "")
	if err != nil {
		return nil, err
	}
	for _, d := range x.Manifests {
		if d.Annotations[v1.AnnotationRefName] == name && manifest.IsManifest(d.MediaType) {
			if data, err = l.ReadBlob(d); err != nil {
				return nil, err
			}
			return manifest.ParseManifest(data, d.MediaType)
		}
	}
	return nil, nil //nolint:nilnil // none is no error
}

// Beside adds what goes with the image, under a name of its own.
func (out *Writer) Beside(name string, d v1.Descriptor) error {
	d.Annotations = map[string]string{v1.AnnotationRefName: name}
	return out.index(name, d)
}

// merge adds what was written to the layout that has taken the place meanwhile:
// first the blobs, then the entries of the index.
func (out *Writer) merge(ctx context.Context) (err error) {
	there := &Writer{ref: out.ref, work: out.ref.Path}
	if err := there.openExisting(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, there.Close()) }()
	err = fs.WalkDir(out.dir.FS(), v1.ImageBlobsDir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if err := there.dir.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return os.Rename(filepath.Join(out.work, name), filepath.Join(there.work, name)) //nolint:forbidigo // both are the operator's own, in one file system
	})
	if err != nil {
		return err
	}
	data, err := out.dir.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return err
	}
	x, err := manifest.ParseIndex(data, "")
	if err != nil {
		return err
	}
	for _, d := range x.Manifests {
		if err := there.index(d.Annotations[v1.AnnotationRefName], d); err != nil {
			return err
		}
	}
	return nil
}

// index adds d to index.json and takes its name away from others. Members
// that are not known here stay as they are.
func (out *Writer) index(name string, d v1.Descriptor) error {
	data, err := out.dir.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return err
	}
	data, err = EditIndex(data, func(list []IndexEntry) []IndexEntry {
		return append(WithoutName(list, name), IndexEntry{Descriptor: d})
	})
	if err != nil {
		return err
	}
	return out.replaceFile(v1.ImageIndexFile, data)
}

// archive writes the finished layout as a tar archive and renames it.
func (out *Writer) archive(ctx context.Context) error {
	f, err := tempFile(ctx, out.ref.Path)
	if err != nil {
		return err
	}
	err = out.writeArchive(ctx, f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil { // still locked
		err = os.Rename(f.Name(), out.ref.Path) //nolint:forbidigo // the operator's own path
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return errors.Join(err, f.Close())
}

// writeArchive writes the layout's files, the index first so that a reader
// of a stream knows early what it gets. fs.WalkDir sorts.
func (out *Writer) writeArchive(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, name := range []string{v1.ImageLayoutFile, v1.ImageIndexFile} {
		if err := out.archiveFile(ctx, tw, name); err != nil {
			return err
		}
	}
	err := fs.WalkDir(out.dir.FS(), v1.ImageBlobsDir, func(name string, e fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
		}
		return out.archiveFile(ctx, tw, name)
	})
	return errors.Join(err, tw.Close())
}

func (out *Writer) archiveFile(ctx context.Context, tw *tar.Writer, name string) error {
	f, err := out.dir.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: fi.Size(), Mode: 0o644}); err != nil {
		return err
	}
	_, err = io.Copy(tw, stream.WithContext{Ctx: ctx, R: f})
	return err
}

// has tells whether the layout has a blob already, and it is what its name says. All
// of it is read: who else writes there may have left a damaged one.
func (out *Writer) has(ctx context.Context, d v1.Descriptor) bool {
	if verify.Digest(d.Digest) != nil {
		return false
	}
	name := verify.BlobName(d.Digest)
	fi, err := out.dir.Lstat(name)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() != d.Size {
		return false
	}
	f, err := out.dir.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	v, err := verify.NewReader(stream.WithContext{Ctx: ctx, R: f}, d)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, v)
	return err == nil
}

// CopyBlob copies a blob, unless it is there, and verifies it.
func (out *Writer) CopyBlob(ctx context.Context, from image.Source, d v1.Descriptor) (err error) {
	if out.has(ctx, d) {
		return nil
	}
	r, err := from.Open(ctx, d, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	v, err := verify.NewReader(stream.WithContext{Ctx: ctx, R: r}, d)
	if err != nil {
		return err
	}
	f, err := out.Temp()
	if err != nil {
		return err
	}
	if _, err = io.CopyBuffer(stream.OnlyWriter{Writer: f}, v, make([]byte, stream.AheadSize)); err == nil {
		err = out.Keep(f, d.Digest)
	}
	if err != nil {
		err = errors.Join(err, out.Drop(f))
	}
	return errors.Join(err, f.Close())
}
