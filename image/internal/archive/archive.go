// Package archive opens archives of images, plain or compressed as a whole, for
// reading at any place. A plain archive is read in place; a compressed one, or
// one that comes through a pipe, goes into an unlinked temporary file first,
// because blobs come in any order. It never looks at what an archive holds, and
// waits for no FIFO. It also writes what archive/tar does not: files with holes.
package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/compress"
	"github.com/netbsd-cells/runcell/image/internal/stream"
)

// Part is where a file's bytes lie in an archive.
type Part struct{ Offset, Size int64 }

// moment is how long nobody has to be told of a wait.
const moment = time.Second

var errNoArchive = errors.New("an archive must be a regular file, or a pipe such as /dev/stdin")

// Open opens an archive for reading at any place. Of pipes it takes those
// that the caller has open already: to open another FIFO is to wait for a
// writer who may never come. What /dev/stdin is, NetBSD only tells of the open
// file. A device, a directory or another FIFO is an error, and so are more
// than limits.MaxSize bytes that have to be copied. What is read to be copied ends
// with ctx, also where a pipe's writer is silent. The caller closes it.
func Open(ctx context.Context, name string, limits image.Limits) (*os.File, error) {
	isOpen := name == "/dev/stdin" || strings.HasPrefix(name, "/dev/fd/")
	fi, err := os.Stat(name) //nolint:forbidigo // the operator's own path
	if err != nil {
		return nil, err
	}
	if !isOpen && !fi.Mode().IsRegular() {
		return nil, errNoArchive
	}
	f, err := os.Open(name) //nolint:forbidigo // the operator's own path
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
	// A pipe can be cut off while it is read.
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	plain, err := expand(ctx, f, isPipe, limits)
	stop()
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
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
func expand(ctx context.Context, f *os.File, isPipe bool, limits image.Limits) (*os.File, error) {
	var r io.Reader
	in := bufio.NewReaderSize(stream.WithContext{Ctx: ctx, R: f}, stream.AheadSize)
	silent := time.AfterFunc(moment, func() { image.TellWait(ctx, "something comes through "+f.Name()) })
	magic, err := in.Peek(compress.MagicSize)
	silent.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch c := compress.Detect(magic); {
	case c != image.None:
		z, closeZ, err := compress.NewReader(in, c, limits.MaxWindow)
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

// MaxFiles is how many entries an archive of a layout may have.
const MaxFiles = 100_000
