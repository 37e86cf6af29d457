package store

// Images that are made here, straight into the store.

import (
	"context"
	"os"

	"github.com/netbsd-cells/runcell/image"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Writer writes into the store the image that will have the name.
type Writer struct {
	Store *Store
	Name  string // full
}

// Temp opens a new file in the store.
func (o *Writer) Temp() (*os.File, error) { return o.Store.temp() }

// Drop removes a file that Temp made.
func (o *Writer) Drop(f *os.File) error { return o.Store.remove(o.Store.inIngest(f)) }

// Keep makes a file of Temp the blob of a digest, which the caller computed.
func (o *Writer) Keep(f *os.File, d digest.Digest) error {
	return o.Store.keepFile(f, o.Store.inIngest(f), d)
}

// Blob stores a small blob.
func (o *Writer) Blob(d digest.Digest, data []byte) error {
	return o.Store.Put(v1.Descriptor{Digest: d, Size: int64(len(data))}, data)
}

// CopyBlob copies a blob and verifies it.
func (o *Writer) CopyBlob(ctx context.Context, from image.Source, d v1.Descriptor) error {
	return o.Store.Fetch(ctx, from, d, nil)
}

// Publish gives the image its name and takes it away from any other.
func (o *Writer) Publish(ctx context.Context, d v1.Descriptor) error {
	return o.Store.Name(ctx, Named{Name: o.Name, Images: []v1.Descriptor{d}})
}

// Close closes the store.
func (o *Writer) Close() error { return o.Store.Close() }
