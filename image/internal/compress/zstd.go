package compress

// zstd: decoders are expensive, so they are kept.

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdDecoders keeps decoders for the next layer: the window of each is
// megabytes, too much to leave one a layer to the garbage collector.
var zstdDecoders sync.Pool

// newZstd makes a decoder whose memory is bounded, whatever the frame asks.
// closeZstd takes it back.
func newZstd(r io.Reader) (*zstd.Decoder, error) {
	if z, ok := zstdDecoders.Get().(*zstd.Decoder); ok {
		return z, z.Reset(r)
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
}

func closeZstd(z *zstd.Decoder) error {
	err := z.Reset(nil) // lets go of what it read from
	zstdDecoders.Put(z)
	return err
}

const (
	maxZstdWindow = 128 << 20
)
