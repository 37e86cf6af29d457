// Where images come from.

package image

import (
	"context"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// documents gives the JSON blobs of images, verified.
type documents interface {
	readBlob(d v1.Descriptor) ([]byte, error)
}

// source is where images come from.
type source interface {
	documents
	// open opens a blob at an offset. What it gives is not verified.
	open(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error)
}
