package layout

import (
	"context"
	"errors"
	"io"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// LayoutSource is a layout as a source of images.
type LayoutSource struct{ *Layout }

func (l LayoutSource) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	f, err := l.OpenBlob(d)
	if err != nil {
		return nil, backoff.Final{err}
	}
	if _, err := io.CopyN(io.Discard, f, offset); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
