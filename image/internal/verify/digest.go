package verify

// Blobs: a digest is checked before it is a name, content while it is read.

import (
	_ "crypto/sha256" // go-digest computes with what is linked
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"

	"github.com/netbsd-cells/runcell/image"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Digest refuses what is not a digest of an algorithm that image-spec
// registers (descriptor.md). A digest becomes a file name, and go-digest
// panics on some that it did not validate: nothing is done with one before.
func Digest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("malformed digest %s: %w: want sha256: or sha512: and lower-case hex digits", image.Quote(string(d)), err)
	}
	switch d.Algorithm() {
	case digest.SHA256, digest.SHA512:
		return nil
	}
	return fmt.Errorf("malformed digest %s: the algorithm must be sha256 or sha512", image.Quote(string(d)))
}

// BlobName is where a layout keeps the blob of a checked digest.
func BlobName(d digest.Digest) string {
	return v1.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}

// ErrMismatch is wrapped by every mismatch of size or digest.
var ErrMismatch = errors.New("content does not match its descriptor")

// Reader reads a blob. It gives io.EOF only after exactly size bytes with
// the right digest; a longer blob is cut off at the first byte too many.
type Reader struct {
	r    io.Reader
	sum  digest.Digester
	want digest.Digest
	size int64
	n    int64
}

// NewReader reads the blob of a descriptor from r. A malformed digest is an
// error.
func NewReader(r io.Reader, d v1.Descriptor) (*Reader, error) {
	if err := Digest(d.Digest); err != nil {
		return nil, err
	}
	return &Reader{r: r, sum: d.Digest.Algorithm().Digester(), want: d.Digest, size: d.Size}, nil
}

// Read implements io.Reader. What does not match is an error that wraps
// ErrMismatch.
func (v *Reader) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.n += int64(n)
	if v.n > v.size {
		return 0, fmt.Errorf("blob %s: longer than the %d bytes its descriptor says: %w", v.want, v.size, ErrMismatch)
	}
	v.sum.Hash().Write(p[:n])
	if err != io.EOF {
		return n, err
	}
	if v.n != v.size {
		return n, fmt.Errorf("blob %s: %d bytes, its descriptor says %d: %w", v.want, v.n, v.size, ErrMismatch)
	}
	if got := v.sum.Digest(); got != v.want {
		return n, fmt.Errorf("blob %s: its digest is %s: %w", v.want, got, ErrMismatch)
	}
	return n, io.EOF
}
