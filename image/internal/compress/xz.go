package compress

// The compressions of sets.

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/inflate"
	"github.com/therootcompany/xz"
)

const (
	maxXzDict = 128 << 20 // twice that of xz -9
)

// OpenSet opens the decompressor of a release set: xz, gzip or none.
func OpenSet(r *bufio.Reader) (io.Reader, error) {
	magic, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.Equal(magic, []byte("\xfd7zXZ\x00")):
		z, err := xz.NewReader(r, maxXzDict)
		return xzReader{z}, xzError(err)
	case Detect(magic) == image.Gzip:
		return inflate.NewReader(r)
	case Detect(magic) == image.Zstd:
		return nil, errors.New("it is compressed with zstd; sets are compressed with xz or gzip")
	}
	return r, nil
}

// xzReader has errors that say more.
type xzReader struct{ io.Reader }

func (x xzReader) Read(p []byte) (int, error) {
	n, err := x.Reader.Read(p)
	return n, xzError(err)
}

func xzError(err error) error {
	switch {
	case errors.Is(err, xz.ErrMemlimit):
		return fmt.Errorf("it needs a dictionary of more than the %d MiB that are taken: compress it again, with xz -9 at most", maxXzDict>>20)
	case errors.Is(err, xz.ErrBuf):
		return io.ErrUnexpectedEOF
	}
	return err
}
