package layout

// A layout as others copy from it.

import (
	"context"
	"errors"
	"io"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Source is a layout as an image.Source.
type Source struct{ *Layout }

// Open opens a blob at an offset, in bytes. What it gives is not verified. A blob
// that is not there or of another length is missing for good.
func (s Source) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	f, err := s.OpenBlob(d)
	if err != nil {
		return nil, backoff.Final{Err: err}
	}
	if _, err := io.CopyN(io.Discard, f, offset); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
