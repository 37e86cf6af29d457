// Digests, and the reader that lets no byte through unverified.

package image

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Digest is "algorithm:hex" (image-spec, descriptor.md).
type Digest string

// digestAlgorithms are the algorithms registered by image-spec 1.1.
var digestAlgorithms = []struct {
	name string
	size int // of the sum, bytes
	new  func() hash.Hash
}{
	{"sha256", sha256.Size, sha256.New},
	{"sha512", sha512.Size, sha512.New},
}

// parse gives the digest's parts and its hash. A digest becomes a file name,
// so anything but a known algorithm and lower-case hex of the right length is
// an error.
func (d Digest) parse() (algorithm, sum string, h hash.Hash, err error) {
	algorithm, sum, _ = strings.Cut(string(d), ":")
	for _, a := range digestAlgorithms {
		if a.name != algorithm {
			continue
		}
		if len(sum) != 2*a.size || strings.Trim(sum, "0123456789abcdef") != "" {
			return "", "", nil, fmt.Errorf("malformed digest %s: want %s: and %d lower-case hex digits", quote(string(d)), a.name, 2*a.size)
		}
		return algorithm, sum, a.new(), nil
	}
	return "", "", nil, fmt.Errorf("malformed digest %s: the algorithm must be sha256 or sha512", quote(string(d)))
}

// sumDigest is the sha256 digest of what h has seen.
func sumDigest(h hash.Hash) Digest {
	return Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// digestOf is the sha256 digest of data.
func digestOf(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// errUnverified is wrapped by every mismatch of size or digest.
var errUnverified = errors.New("content does not match its descriptor")

// verified reads a blob. It gives io.EOF only after exactly size bytes with
// the right digest; a longer blob is cut off at the first byte too many.
type verified struct {
	r    io.Reader
	h    hash.Hash
	want Digest
	size int64
	n    int64
}

func newVerified(r io.Reader, d Descriptor) (*verified, error) {
	_, _, h, err := d.Digest.parse()
	if err != nil {
		return nil, err
	}
	return &verified{r: r, h: h, want: d.Digest, size: d.Size}, nil
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.n += int64(n)
	if v.n > v.size {
		return 0, fmt.Errorf("blob %s: longer than the %d bytes its descriptor says: %w", v.want, v.size, errUnverified)
	}
	v.h.Write(p[:n])
	if err != io.EOF {
		return n, err
	}
	if v.n != v.size {
		return n, fmt.Errorf("blob %s: %d bytes, its descriptor says %d: %w", v.want, v.n, v.size, errUnverified)
	}
	if _, sum, _, _ := v.want.parse(); hex.EncodeToString(v.h.Sum(nil)) != sum {
		return n, fmt.Errorf("blob %s: its digest is %x: %w", v.want, v.h.Sum(nil), errUnverified)
	}
	return n, io.EOF
}
