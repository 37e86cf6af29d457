package transfer

// Documents that are asked for once.

import (
	"context"
	"io"
	"sync"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxRemembered is how many bytes of documents are kept in memory. What an honest
// image has is a hundredth of it.
const maxRemembered = 16 << 20

// remembered is a source that asks another one for no document that the store has,
// and for no other one twice: registries count requests.
type remembered struct {
	from  image.Source
	store *store.Store

	mu   sync.Mutex
	docs map[use][]byte
	held int
}

// use is a blob as what it is used: a digest is not a type.
type use struct {
	digest    digest.Digest
	mediaType string
	size      int64
}

func useOf(d v1.Descriptor) use { return use{d.Digest, d.MediaType, d.Size} }

func remember(s *store.Store, from image.Source) *remembered {
	return &remembered{from: from, store: s, docs: map[use][]byte{}}
}

// add keeps a document that was verified.
func (r *remembered) add(d v1.Descriptor, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.docs[useOf(d)]; !there && r.held+len(data) <= maxRemembered {
		r.docs[useOf(d)] = data
		r.held += len(data)
	}
}

func (r *remembered) get(d v1.Descriptor) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	data, there := r.docs[useOf(d)]
	return data, there
}

// ReadBlob reads a document, from the nearest place.
func (r *remembered) ReadBlob(d v1.Descriptor) ([]byte, error) {
	if data, there := r.get(d); there {
		return data, nil
	}
	data, err := r.store.ReadBlob(d)
	if err != nil { // it is not here, or damaged
		data, err = r.from.ReadBlob(d)
	}
	if err == nil {
		r.add(d, data)
	}
	return data, err
}

// Open opens a blob at an offset.
func (r *remembered) Open(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if data, there := r.get(d); there {
		return io.NopCloser(stream.Slice(data, offset)), nil
	}
	return r.from.Open(ctx, d, offset)
}
