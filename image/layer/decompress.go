package layer

// Decompressing. Layers are decompressed one after the other: the next one begins
// when the one before is out of its decompressor, while that still is written. So
// there is always something to write, and one window at most to be remembered,
// whatever the layers want.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/compress"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/manifest"
)

// queue is the decompressors that wait for each other. The zero queue is empty.
type queue struct {
	mu   sync.Mutex
	last <-chan struct{} // closed when the last one is done; nil: nobody was there
}

// join takes the last place: turn is closed when it is its turn, and done lets the
// next one begin. done may be called more than once.
func (q *queue) join() (turn <-chan struct{}, done func()) {
	end := make(chan struct{})
	q.mu.Lock()
	defer q.mu.Unlock()
	turn, q.last = q.last, end
	if turn == nil {
		begun := make(chan struct{})
		close(begun)
		turn = begun
	}
	return turn, sync.OnceFunc(func() { close(end) })
}

// decompressor gives a layer's content. It opens when it is first read, and lets
// the next one begin when there is no more to come. Reads and close do not happen
// at the same time.
type decompressor struct {
	wait  func() error
	done  func()
	blob  *stream.Ahead
	layer manifest.Layer
	limit *limited
	end   func() error // of the decompressor; nil: it is not open

	// True of what was opened:
	compression image.Compression
	misnamed    bool // its media type says something else
}

func newDecompressor(ctx context.Context, blob *stream.Ahead, layer manifest.Layer, b *Budget) *decompressor {
	turn, done := b.queue.join()
	wait := func() error {
		select {
		case <-turn:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	limit := &limited{in: &stream.Counter{Reader: blob}, size: layer.Size, budget: b}
	return &decompressor{wait: wait, done: done, blob: blob, layer: layer, limit: limit}
}

// Read implements io.Reader. io.EOF means that the blob has ended, too, and has
// been verified.
func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.read(p)
	if err == nil {
		return n, nil
	}
	if e := d.close(); e != nil {
		err = e
	}
	return n, err
}

func (d *decompressor) read(p []byte) (int, error) {
	if d.end == nil {
		if err := d.open(); err != nil {
			return 0, err
		}
	}
	n, err := d.limit.Read(p)
	if errors.Is(err, io.EOF) {
		err = d.exhaust()
	}
	return n, err
}

// open waits until the layers before are decompressed.
func (d *decompressor) open() error {
	if err := d.wait(); err != nil {
		return err
	}
	magic, err := d.blob.Peek(compress.MagicSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	d.compression = sniff(magic, d.layer)
	d.misnamed = d.compression != d.layer.Compression
	d.limit.r, d.end, err = compress.NewReader(d.limit.in, d.compression, d.limit.budget.Limits.MaxWindow)
	return err
}

// exhaust turns the decompressor's end into the blob's end: what the decompressor
// left unread must be nothing, and the blob must verify.
func (d *decompressor) exhaust() error {
	extra, err := io.Copy(io.Discard, d.blob)
	if err != nil {
		return err
	}
	if extra > 0 {
		return fmt.Errorf("blob %s: %d bytes after the end of the compressed data", d.layer.Digest, extra)
	}
	return io.EOF
}

// close lets the next one begin.
func (d *decompressor) close() error {
	var err error
	if d.end != nil {
		err = d.end()
		d.end = func() error { return nil }
	}
	d.done()
	return err
}

// sniff tells how a layer is compressed. Media types are wrong at times; nothing
// that is decompressed wrongly has the right DiffID.
func sniff(magic []byte, layer manifest.Layer) image.Compression {
	if layer.Digest == layer.DiffID {
		return image.None
	}
	if c := compress.Detect(magic); c != image.None {
		return c
	}
	return layer.Compression
}
