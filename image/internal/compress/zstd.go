package compress

// zstd: decoders are expensive, so they are kept.

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// zstdReader is a decoder whose memory is bounded, whatever the frame asks.
type zstdReader struct {
	*zstd.Decoder
	window int64
}

// spare is the decoder that was closed last, for the next layer: the window is
// megabytes, too much to leave one a layer to the garbage collector. A sync.Pool
// would not find what another thread has put there.
var spare atomic.Pointer[zstdReader]

// noWindow is the window where there is no limit: the most that a decoder of 32
// bits could have.
const noWindow = 1 << 30

// newZstd makes a decoder; close takes it back.
func newZstd(r io.Reader, window int64) (*zstdReader, error) {
	if window <= 0 {
		window = noWindow
	}
	window = max(window, zstd.MinWindowSize)
	if z := spare.Swap(nil); z != nil && z.window == window {
		return z, z.Reset(r)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(window)))
	return &zstdReader{z, window}, err
}

// Read implements io.Reader.
func (z *zstdReader) Read(p []byte) (int, error) {
	n, err := z.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = fmt.Errorf("its decompressor had to remember more than %d bytes (--max-window): %w", z.window, err)
	}
	return n, err
}

func (z *zstdReader) close() error {
	err := z.Reset(nil) // lets go of what it read from
	spare.Store(z)
	return err
}
