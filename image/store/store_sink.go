// Images that are made here, straight into the store.

package store

import (
	"context"
	"os"

	"github.com/netbsd-cells/runcell/image"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Writer writes the image that will have the name.
type Writer struct {
	Store *Store
	Name  string // full
}

func (o *Writer) Temp() (*os.File, error) { return o.Store.temp() }

func (o *Writer) Drop(f *os.File) error { return o.Store.root.Remove(o.Store.inIngest(f)) }

func (o *Writer) Keep(f *os.File, d digest.Digest) error {
	return o.Store.keepFile(f, o.Store.inIngest(f), d)
}

func (o *Writer) Blob(d digest.Digest, data []byte) error {
	return o.Store.Put(v1.Descriptor{Digest: d, Size: int64(len(data))}, data)
}

func (o *Writer) CopyBlob(ctx context.Context, from image.Source, d v1.Descriptor) error {
	return o.Store.Fetch(ctx, from, d, nil)
}

func (o *Writer) Publish(ctx context.Context, d v1.Descriptor) error {
	return o.Store.Name(ctx, o.Name, d)
}

func (o *Writer) Close() error { return o.Store.Close() }
