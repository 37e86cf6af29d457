package layer

// A layer's bytes, from the blob to the tar reader. Four goroutines work at
// once: one reads and verifies the blob, one decompresses it, one hashes the
// content for the DiffID, and the caller parses and writes. A few buffers
// between them bound the memory. See decompress.go for how layers follow each
// other.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
)

// ratioGrace is how many bytes a layer may expand to before the ratio counts. Tests
// have less.
var ratioGrace int64 = 64 << 20

// ratioStep is how many bytes of a blob count as read beyond those that were, if
// the blob has them: what a decompressor is about to read next makes the ratio of a
// short blob a matter of where it stands.
const ratioStep = 128 << 10

// Budget is what the layers of one image share: what they have taken of its
// limits, and the order in which they are decompressed. Several layers can be read
// at the same time.
type Budget struct {
	Limits  image.Limits
	Size    atomic.Int64 // bytes that came out of decompressors
	Entries atomic.Int64 // of all layers
	content atomic.Int64 // bytes that files claim to have, holes included
	queue   queue
}

func (b *Budget) take(sum *atomic.Int64, amount, most int64, what, flag string) error {
	if n := sum.Add(amount); most > 0 && (n > most || n < 0) {
		return fmt.Errorf("the image has more than %d %s (%s)", most, what, flag)
	}
	return nil
}

// TakeSize counts n bytes that came out of a decompressor. More than
// Limits.MaxSize are an error.
func (b *Budget) TakeSize(n int64) error {
	return b.take(&b.Size, n, b.Limits.MaxSize, "bytes uncompressed", "--max-size")
}

func (b *Budget) takeContent(n int64) error {
	return b.take(&b.content, n, b.Limits.MaxSize, "bytes in files", "--max-size")
}

// TakeEntry counts an entry. More than Limits.MaxEntries are an error.
func (b *Budget) TakeEntry() error {
	return b.take(&b.Entries, 1, b.Limits.MaxEntries, "entries", "--max-entries")
}

// limited watches over a decompressor: total size, and the ratio to what it
// has read.
type limited struct {
	r      io.Reader
	in     *stream.Counter
	size   int64 // of the blob, in bytes
	budget *Budget
	out    int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.out += int64(n)
	if e := l.budget.TakeSize(int64(n)); e != nil {
		return 0, e
	}
	ratio := l.budget.Limits.MaxRatio
	if ratio > 0 && l.out > ratioGrace && l.out/ratio > min(l.in.N+ratioStep, l.size) {
		return 0, fmt.Errorf("the layer expands more than %d times (--max-ratio)", ratio)
	}
	return n, err
}

// Reader gives a layer's tar archive. It has been verified only once Apply has
// read it to the end.
type Reader struct {
	io.Reader
	plain  *decompressor
	sum    digest.Digester
	diffID digest.Digest
	close  []func() error
}

// Open starts reading a layer whose blob is f, which is closed with the reader,
// or by an error. Layers are opened in the order in which they are read. seen, if
// not nil, is told the number of compressed bytes as they are read, on another
// goroutine.
func Open(ctx context.Context, f io.ReadCloser, layer manifest.Layer, b *Budget, seen func(n int)) (_ *Reader, err error) {
	lr := &Reader{diffID: layer.DiffID, close: []func() error{f.Close}}
	defer func() {
		if err != nil {
			_ = lr.Close()
		}
	}()
	blob, err := verify.NewReader(f, layer.Descriptor)
	if err != nil {
		return nil, err
	}
	if err := verify.Digest(layer.DiffID); err != nil {
		return nil, err
	}
	lr.sum = layer.DiffID.Algorithm().Digester()
	ctx, cancel := context.WithCancel(ctx)
	packed := lr.ahead(ctx, &stream.Counter{Reader: blob, Seen: seen}, nil)
	lr.plain = newDecompressor(ctx, packed, layer, b)
	lr.close = append(lr.close, lr.plain.close)
	lr.Reader = lr.ahead(ctx, lr.plain, lr.sum.Hash())
	lr.close = append(lr.close, func() error { cancel(); return nil })
	return lr, nil
}

func (lr *Reader) ahead(ctx context.Context, r io.Reader, tap io.Writer) *stream.Ahead {
	a := stream.NewAhead(ctx, r, tap)
	lr.close = append(lr.close, a.Close)
	return a
}

// finish reads what follows the end of the archive, which must be zeros, and
// compares the DiffID.
func (lr *Reader) finish() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := lr.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("data after the end of the tar archive")
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if got := lr.sum.Digest(); got != lr.diffID {
		return fmt.Errorf("the content's digest is %s, rootfs.diff_ids says %s: %w", got, lr.diffID, verify.ErrMismatch)
	}
	return nil
}

// Close stops the goroutines, the last first, and closes the blob.
func (lr *Reader) Close() error {
	var err error
	for i := len(lr.close) - 1; i >= 0; i-- {
		err = errors.Join(err, lr.close[i]())
	}
	lr.close = nil
	return err
}
