package verify

// Documents: read whole, so their size is bounded first.

import (
	"bytes"
	"fmt"
	"io"

	"github.com/netbsd-cells/runcell/image"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// CheckSize refuses a descriptor that can't be one of a document: one of more
// than image.MaxJSON bytes.
func CheckSize(d v1.Descriptor) error {
	if d.Size < 0 || d.Size > image.MaxJSON {
		return fmt.Errorf("blob %s: size %d: a document has at most %d bytes", image.Quote(string(d.Digest)), d.Size, image.MaxJSON)
	}
	return nil
}

// Document reads a JSON blob whole and verifies it. open opens it; it is not
// called for a descriptor that CheckSize refuses.
func Document(d v1.Descriptor, open func() (io.ReadCloser, error)) ([]byte, error) {
	if err := CheckSize(d); err != nil {
		return nil, err
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := NewReader(f, d)
	if err != nil {
		return nil, err
	}
	return ReadAll(r, d.Size)
}

// ReadAll reads the size bytes that r is to give, into one piece of memory: a
// buffer that grows would take as much again.
func ReadAll(r io.Reader, size int64) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := b.ReadFrom(io.LimitReader(r, size+1))
	if err == nil && int64(b.Len()) > size {
		err = fmt.Errorf("longer than the %d bytes that it had: %w", size, ErrMismatch)
	}
	return b.Bytes(), err
}
