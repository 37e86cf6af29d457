// Package compress knows the compressions of layers, archives and sets: it tells
// them apart and bounds what a decompressor may take. It verifies nothing and
// does not limit what comes out.
package compress

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/netbsd-cells/runcell/image"
)

// MagicSize is how many bytes Detect wants to see.
const MagicSize = 4

// Detect tells how data that begins with magic is compressed: gzip
// (RFC 1952), zstd (RFC 8878), or not.
func Detect(magic []byte) image.Compression {
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		return image.Gzip
	case len(magic) >= 4 && string(magic[:4]) == "\x28\xb5\x2f\xfd":
		return image.Zstd
	}
	return image.None
}

// NewWriter gives a compressor whose output depends on its input alone. Closing
// it does not close w.
func NewWriter(w io.Writer, c image.Compression) (io.WriteCloser, error) {
	switch c {
	case image.Gzip:
		return gzip.NewWriterLevel(w, gzip.DefaultCompression) // with no name and time in its header
	case image.Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(2), zstd.WithEncoderLevel(zstd.SpeedDefault))
	case image.None:
		return nopCloser{w}, nil
	}
	return nil, fmt.Errorf("compression %s: want gzip, zstd or none", image.Quote(string(c)))
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
