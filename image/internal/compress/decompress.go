package compress

// Decompressors.

import (
	"fmt"
	"io"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/inflate"
)

// NewReader opens a decompressor. gzip members and zstd frames may follow
// each other; anything else after them is an error of the decompressor, and so
// is a frame whose content needs more than window bytes remembered (0: no limit).
// The function that it gives ends it; r stays open.
func NewReader(r io.Reader, c image.Compression, window int64) (io.Reader, func() error, error) {
	nothing := func() error { return nil }
	switch c {
	case image.Gzip:
		// The header is read here already, so an empty blob fails here.
		z, err := inflate.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("decompress gzip: %w", err)
		}
		return z, nothing, nil
	case image.Zstd:
		z, err := newZstd(r, window)
		if err != nil {
			return nil, nil, fmt.Errorf("decompress zstd: %w", err)
		}
		return z, z.close, nil
	}
	return r, nothing, nil
}
