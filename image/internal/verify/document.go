package verify

// Documents: read whole, so their size is bounded first.

import (
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
	return io.ReadAll(r)
}
