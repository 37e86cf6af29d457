// A layer's bytes, from the blob to the tar reader. Four goroutines work at
// once: one reads and verifies the blob, one decompresses it, one hashes the
// content for the DiffID, and the caller parses and writes. A few buffers
// between them bound the memory.

package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

const (
	aheadBuffers = 8
	aheadSize    = 128 << 10 // bytes of one buffer
)

// ahead reads from r in a goroutine of its own, and shows what was read to
// tap in another one before it gives it out.
type ahead struct {
	full, shown, free chan []byte
	stop, done        chan struct{}
	once              sync.Once
	buf, rest         []byte
	err               error // valid once full is closed
}

func newAhead(ctx context.Context, r io.Reader, tap io.Writer) *ahead {
	a := &ahead{
		full: make(chan []byte, aheadBuffers),
		free: make(chan []byte, aheadBuffers),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	for range aheadBuffers {
		a.free <- nil // allocated when first used: most layers are small
	}
	a.shown = a.full
	if tap != nil {
		a.shown = make(chan []byte, aheadBuffers)
		go a.show(tap)
	}
	go a.run(ctx, r)
	return a
}

// show never blocks at the end: there are no more buffers than places.
func (a *ahead) show(tap io.Writer) {
	defer close(a.shown)
	for b := range a.full {
		_, _ = tap.Write(b) // a hash: it takes everything
		a.shown <- b
	}
}

func (a *ahead) run(ctx context.Context, r io.Reader) {
	defer close(a.done)
	defer close(a.full)
	for {
		var b []byte
		select {
		case b = <-a.free:
		case <-a.stop:
			a.err = io.ErrClosedPipe
			return
		case <-ctx.Done():
			a.err = context.Cause(ctx)
			return
		}
		if b == nil {
			b = make([]byte, aheadSize)
		}
		n, err := fill(r, b[:aheadSize])
		if n > 0 {
			a.full <- b[:n] // never blocks, for the same reason
		}
		if err != nil {
			a.err = err
			return
		}
	}
}

// fill reads until b is full or r fails.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if a.buf != nil {
			a.free <- a.buf
			a.buf = nil
		}
		b, ok := <-a.shown
		if !ok {
			return 0, a.err
		}
		a.buf, a.rest = b, b
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close stops the goroutine and waits for it, so that what it reads from can
// be closed.
func (a *ahead) Close() error {
	a.once.Do(func() { close(a.stop) })
	<-a.done
	return nil
}

// budget is what is left of an image's limits.
type budget struct {
	limits  Limits
	size    atomic.Int64 // bytes that came out of decompressors, several at once
	content atomic.Int64 // bytes that files claim to have, holes included
	entries atomic.Int64
}

func (b *budget) take(sum *atomic.Int64, amount, most int64, what, flag string) error {
	if n := sum.Add(amount); most > 0 && (n > most || n < 0) {
		return fmt.Errorf("the image has more than %d %s (%s)", most, what, flag)
	}
	return nil
}

func (b *budget) takeSize(n int64) error {
	return b.take(&b.size, n, b.limits.MaxSize, "bytes uncompressed", "--max-size")
}

func (b *budget) takeContent(n int64) error {
	return b.take(&b.content, n, b.limits.MaxSize, "bytes in files", "--max-size")
}

func (b *budget) takeEntry() error {
	return b.take(&b.entries, 1, b.limits.MaxEntries, "entries", "--max-entries")
}

// limited watches over a decompressor: total size, and the ratio to what it
// has read.
type limited struct {
	r      io.Reader
	in     *counter
	budget *budget
	out    int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.out += int64(n)
	if e := l.budget.takeSize(int64(n)); e != nil {
		return 0, e
	}
	ratio := l.budget.limits.MaxRatio
	if ratio > 0 && l.out > ratioGrace && l.out/ratio > l.in.n {
		return 0, fmt.Errorf("the layer expands more than %d times (--max-ratio)", ratio)
	}
	return n, err
}

// layerReader gives a layer's tar archive. Only after finish has it been
// verified.
type layerReader struct {
	io.Reader
	sum    digest.Digester
	diffID digest.Digest
	close  []func() error
}

// openLayer starts reading a layer. seen, if not nil, is told the number of
// compressed bytes as they are read, on another goroutine.
// f, the blob, is closed with the reader.
func openLayer(ctx context.Context, f io.ReadCloser, layer Layer, b *budget, seen func(n int)) (_ *layerReader, err error) {
	lr := &layerReader{diffID: layer.DiffID, close: []func() error{f.Close}}
	defer func() {
		if err != nil {
			_ = lr.Close()
		}
	}()
	blob, err := newVerified(f, layer.Descriptor)
	if err != nil {
		return nil, err
	}
	if err := checkDigest(layer.DiffID); err != nil {
		return nil, err
	}
	lr.sum = layer.DiffID.Algorithm().Digester()
	packed := &counter{Reader: lr.ahead(ctx, blob, nil), seen: seen}
	plain, closePlain, err := decompress(bufio.NewReaderSize(packed, aheadSize), layer.compression)
	if err != nil {
		return nil, err
	}
	lr.close = append(lr.close, closePlain)
	whole := &exhaust{r: &limited{r: plain, in: packed, budget: b}, blob: packed, digest: layer.Digest}
	lr.Reader = lr.ahead(ctx, whole, lr.sum.Hash())
	return lr, nil
}

func (lr *layerReader) ahead(ctx context.Context, r io.Reader, tap io.Writer) *ahead {
	a := newAhead(ctx, r, tap)
	lr.close = append(lr.close, a.Close)
	return a
}

// exhaust turns a decompressor's end into the blob's end: what the
// decompressor left unread must be nothing, and the blob must verify.
type exhaust struct {
	r      io.Reader
	blob   io.Reader
	digest digest.Digest
}

func (e *exhaust) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != io.EOF {
		return n, err
	}
	if extra, err := io.Copy(io.Discard, e.blob); err != nil {
		return n, err
	} else if extra > 0 {
		return n, fmt.Errorf("blob %s: %d bytes after the end of the compressed data", e.digest, extra)
	}
	return n, io.EOF
}

// finish reads what follows the end of the archive, which must be zeros, and
// compares the DiffID.
func (lr *layerReader) finish() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := lr.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("data after the end of the tar archive")
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if got := lr.sum.Digest(); got != lr.diffID {
		return fmt.Errorf("the content's digest is %s, rootfs.diff_ids says %s: %w", got, lr.diffID, errUnverified)
	}
	return nil
}

// Close stops the goroutines, the last first.
func (lr *layerReader) Close() error {
	var err error
	for i := len(lr.close) - 1; i >= 0; i-- {
		err = errors.Join(err, lr.close[i]())
	}
	lr.close = nil
	return err
}

// counter counts what is read through it, and tells seen if that is not nil.
type counter struct {
	io.Reader
	n    int64
	seen func(n int)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.n += int64(n); c.seen != nil {
		c.seen(n)
	}
	return n, err
}

// hashing counts and hashes what is written through it.
type hashing struct {
	w   io.Writer
	sum digest.Digester
	n   int64
}

func newHashing(w io.Writer) *hashing { return &hashing{w: w, sum: digest.Canonical.Digester()} }

func (h *hashing) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	h.sum.Hash().Write(p[:n])
	h.n += int64(n)
	return n, err
}
