// Image layouts in a tar archive, plain or compressed as a whole. A plain
// archive is read in place; a compressed one, or one that comes through a pipe,
// goes into an unlinked temporary file first, because blobs come in any order.

package image

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// archiveSource is a layout in a tar archive: where each file's bytes lie.
type archiveSource struct {
	file  *os.File
	parts map[string]part
}

type part struct{ offset, size int64 }

func openArchive(name string, limits Limits) (fileSource, error) {
	plain, err := openPlain(name, limits)
	if err != nil {
		return nil, err
	}
	parts, err := scanArchive(plain)
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return &archiveSource{plain, parts}, nil
}

func (a *archiveSource) Close() error { return a.file.Close() }

func (a *archiveSource) open(name string) (io.ReadCloser, int64, error) {
	p, ok := a.parts[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(a.file, p.offset, p.size)), p.size, nil
}

// scanArchive finds the layout's files. Links and sparse files have no bytes
// of their own, so they are as good as missing; a name given twice would let
// two readers see two images.
func scanArchive(f *os.File) (map[string]part, error) {
	parts := map[string]part{}
	tr := tar.NewReader(f)
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		if n >= archiveFiles {
			return nil, fmt.Errorf("read archive: more than %d entries", archiveFiles)
		}
		name := path.Clean(hdr.Name)
		if hdr.Typeflag != tar.TypeReg || hdr.PAXRecords["GNU.sparse.major"] != "" || !layoutName(name) {
			continue
		}
		if _, dup := parts[name]; dup {
			return nil, fmt.Errorf("read archive: %s occurs twice", quote(name))
		}
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		parts[name] = part{offset, hdr.Size}
	}
}

// layoutName tells whether a file can belong to a layout.
func layoutName(name string) bool {
	switch name {
	case v1.ImageLayoutFile, v1.ImageIndexFile, "manifest.json":
		return true
	}
	blob, found := strings.CutPrefix(name, v1.ImageBlobsDir+"/")
	return found && checkDigest(digest.Digest(strings.Replace(blob, "/", ":", 1))) == nil
}

var errNoArchive = errors.New("an archive must be a regular file, or a pipe such as /dev/stdin")

// openPlain opens an archive for reading at any place. Of pipes it takes those
// that the caller has open already: to open another FIFO is to wait for a
// writer who may never come. What /dev/stdin is, NetBSD only tells of the open
// file.
func openPlain(name string, limits Limits) (*os.File, error) {
	isOpen := name == "/dev/stdin" || strings.HasPrefix(name, "/dev/fd/")
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !isOpen && !fi.Mode().IsRegular() {
		return nil, errNoArchive
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if fi, err = f.Stat(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	isPipe := isOpen && fi.Mode()&fs.ModeNamedPipe != 0
	if !isPipe && !fi.Mode().IsRegular() {
		return nil, errors.Join(errNoArchive, f.Close())
	}
	plain, err := expand(f, isPipe, limits)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if plain != f {
		_ = f.Close()
	}
	return plain, nil
}

// expand gives f itself, rewound, or a copy of what comes from a pipe, or its
// expansion if it is compressed.
func expand(f *os.File, isPipe bool, limits Limits) (*os.File, error) {
	var r io.Reader
	in := bufio.NewReaderSize(f, aheadSize)
	magic, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch c := compressionOf(magic); {
	case c != None:
		z, closeZ, err := decompress(in, c)
		if err != nil {
			return nil, fmt.Errorf("expand archive: %w", err)
		}
		defer func() { _ = closeZ() }()
		r = z
	case isPipe:
		r = in
	default:
		_, err := f.Seek(0, io.SeekStart)
		return f, err
	}
	out, err := os.CreateTemp("", "runcell-image-")
	if err != nil {
		return nil, fmt.Errorf("expand archive: %w", err)
	}
	err = os.Remove(out.Name())
	if err == nil {
		err = copyAtMost(out, r, limits.MaxSize)
	}
	if err == nil {
		_, err = out.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("expand archive: %w", errors.Join(err, out.Close()))
	}
	return out, nil
}

// copyAtMost copies r to w; a stream longer than most (if not 0) is an error.
func copyAtMost(w io.Writer, r io.Reader, most int64) error {
	if most <= 0 {
		_, err := io.Copy(w, r)
		return err
	}
	n, err := io.Copy(w, io.LimitReader(r, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("more than %d bytes uncompressed (--max-size)", most)
	}
	return err
}

// zstdDecoders keeps decoders for the next layer: the window of each is
// megabytes, too much to leave one a layer to the garbage collector.
var zstdDecoders sync.Pool

// newZstd makes a decoder whose memory is bounded, whatever the frame asks.
// closeZstd takes it back.
func newZstd(r io.Reader) (*zstd.Decoder, error) {
	if z, ok := zstdDecoders.Get().(*zstd.Decoder); ok {
		return z, z.Reset(r)
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
}

func closeZstd(z *zstd.Decoder) error {
	err := z.Reset(nil) // lets go of what it read from
	zstdDecoders.Put(z)
	return err
}
