package image

// Where images come from.

import (
	"context"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Documents gives the JSON blobs of images, verified.
type Documents interface {
	// ReadBlob reads a document whole: at most MaxJSON bytes.
	ReadBlob(d v1.Descriptor) ([]byte, error)
}

// Source is where images come from.
type Source interface {
	Documents
	// Open opens a blob at an offset, in bytes. What it gives is not verified.
	Open(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error)
}
