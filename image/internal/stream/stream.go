// Package stream has the readers and writers that image/ puts between a blob and
// its use: they count, hash, read ahead, or end with a context. None of them
// verifies anything: that is package verify's.
package stream

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
)

// WithContext ends a long copy when ctx does.
type WithContext struct {
	Ctx context.Context
	R   io.Reader
}

// Read implements io.Reader. After the context's end it gives the cause.
func (c WithContext) Read(p []byte) (int, error) {
	if c.Ctx.Err() != nil {
		return 0, context.Cause(c.Ctx)
	}
	return c.R.Read(p)
}

// OnlyWriter hides ReadFrom: io.CopyBuffer through it uses the buffer.
type OnlyWriter struct{ io.Writer }

// OnlyReader hides WriteTo: io.CopyBuffer through it uses the buffer.
type OnlyReader struct{ io.Reader }

// Slice reads data from an offset on, in bytes; behind the end is nothing.
func Slice(data []byte, offset int64) io.Reader {
	return bytes.NewReader(data[min(offset, int64(len(data))):])
}

// AheadSize is the size of one buffer, in bytes. With less, goroutines that wait
// for each other cost more than what they do: with half of it, a zstd layer takes
// 6 % more time.
const AheadSize = 256 << 10

const aheadBuffers = 8

// Ahead reads from r in a goroutine of its own, and shows what was read to
// tap in another one before it gives it out.
type Ahead struct {
	full, shown, free chan []byte
	stop, done        chan struct{}
	once              sync.Once
	buf, rest         []byte
	err               error // valid once full is closed
}

// NewAhead starts to read from r until ctx ends. tap may be nil. The caller
// closes it.
func NewAhead(ctx context.Context, r io.Reader, tap io.Writer) *Ahead {
	a := &Ahead{
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
func (a *Ahead) show(tap io.Writer) {
	defer close(a.shown)
	for b := range a.full {
		_, _ = tap.Write(b) // a hash: it takes everything
		a.shown <- b
	}
}

func (a *Ahead) run(ctx context.Context, r io.Reader) {
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
			b = make([]byte, AheadSize)
		}
		n, err := Fill(r, b[:AheadSize])
		if n > 0 {
			a.full <- b[:n] // never blocks, for the same reason
		}
		if err != nil {
			a.err = err
			return
		}
	}
}

// Fill reads until b is full or r fails, also with io.EOF.
func Fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// next waits until there is a rest.
func (a *Ahead) next() error {
	if len(a.rest) > 0 {
		return nil
	}
	if a.buf != nil {
		a.free <- a.buf
		a.buf = nil
	}
	b, ok := <-a.shown
	if !ok {
		return a.err
	}
	a.buf, a.rest = b, b
	return nil
}

// Read implements io.Reader.
func (a *Ahead) Read(p []byte) (int, error) {
	if err := a.next(); err != nil {
		return 0, err
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Peek gives the next n bytes, at most AheadSize, before the first Read. There are
// fewer only where r ends: with none, it gives r's error.
func (a *Ahead) Peek(n int) ([]byte, error) {
	err := a.next()
	return a.rest[:min(n, len(a.rest))], err
}

// Close stops the goroutine and waits for it, so that what it reads from can
// be closed.
func (a *Ahead) Close() error {
	a.once.Do(func() { close(a.stop) })
	<-a.done
	return nil
}

// Counter counts what is read through it, and tells Seen if that is not nil.
type Counter struct {
	io.Reader
	N    int64 // bytes
	Seen func(n int)
}

// Read implements io.Reader.
func (c *Counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.N += int64(n); c.Seen != nil {
		c.Seen(n)
	}
	return n, err
}

// Hasher counts and hashes what is written through it.
type Hasher struct {
	w   io.Writer
	Sum digest.Digester
	N   int64 // bytes
}

// NewHasher hashes with sha256 (digest.Canonical) what it passes on to w.
func NewHasher(w io.Writer) *Hasher { return &Hasher{w: w, Sum: digest.Canonical.Digester()} }

// Write implements io.Writer.
func (h *Hasher) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	h.Sum.Hash().Write(p[:n])
	h.N += int64(n)
	return n, err
}

// IsZero tells whether all bytes of p are 0. It compares p with itself, a byte on: bytes.Equal is many times faster than
// a loop.
func IsZero(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
