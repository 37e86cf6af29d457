// Images that are made here, straight into the store.

package image

import (
	"context"
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// storeSink writes the image that will have the name.
type storeSink struct {
	store *Store
	name  string // full
}

func (o *storeSink) temp() (*os.File, error) { return o.store.temp() }

func (o *storeSink) drop(f *os.File) error { return o.store.root.Remove(o.store.inIngest(f)) }

func (o *storeSink) keep(f *os.File, d digest.Digest) error {
	return o.store.keepFile(f, o.store.inIngest(f), d)
}

func (o *storeSink) blob(d digest.Digest, data []byte) error {
	return o.store.put(v1.Descriptor{Digest: d, Size: int64(len(data))}, data)
}

func (o *storeSink) copyBlob(ctx context.Context, from source, d v1.Descriptor) error {
	return o.store.fetch(ctx, from, d, nil)
}

func (o *storeSink) publish(ctx context.Context, d v1.Descriptor) error {
	return o.store.name(ctx, o.name, d)
}

func (o *storeSink) close() error { return o.store.Close() }
