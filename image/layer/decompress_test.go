package layer_test

// Layers that are opened before the one below is read.

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// blob is the content of a layer, and how much of it was read.
type blob struct {
	io.Reader
	read atomic.Int64
}

func (b *blob) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read.Add(int64(n))
	return n, err
}

func (b *blob) Close() error { return nil }

// openLayers opens two layers of size bytes of noise, one after the other.
func openLayers(t *testing.T, size int) (lower, upper *layer.Reader, upperBlob *blob, content []byte) {
	t.Helper()
	content = bytes.Repeat([]byte(imagetest.Noise(1<<10)), size>>10)
	sum := digest.FromBytes(content)
	l := manifest.Layer{Descriptor: v1.Descriptor{Digest: sum, Size: int64(size)}, DiffID: sum, Compression: image.None}
	var budget layer.Budget
	upperBlob = &blob{Reader: bytes.NewReader(content)}
	lower, err := layer.Open(t.Context(), &blob{Reader: bytes.NewReader(content)}, l, &budget, nil)
	if err != nil {
		t.Fatal(err)
	}
	upper, err = layer.Open(t.Context(), upperBlob, l, &budget, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(upper.Close(), lower.Close()) })
	return lower, upper, upperBlob, content
}

// The upper layer waits for the lower one, with no more of it read than buffers
// hold: 2 MiB, and one buffer that is being looked at.
func TestLayersInTurn(t *testing.T) {
	const size, first = 4 << 20, 1 << 10
	lower, upper, upperBlob, content := openLayers(t, size)
	if _, err := io.ReadFull(lower, make([]byte, first)); err != nil {
		t.Fatal(err)
	}
	if n := upperBlob.read.Load(); n > 2<<20+stream.AheadSize {
		t.Errorf("%d bytes of the upper layer were read while the lower one was decompressed", n)
	}
	for i, r := range []io.Reader{io.MultiReader(bytes.NewReader(content[:first]), lower), upper} {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
			t.Errorf("layer %d: %d bytes, %v", i+1, len(got), err)
		}
	}
}

// A lower layer that is given up keeps nobody waiting, nor does the upper one keep
// who closes it.
func TestLayersGivenUp(t *testing.T) {
	lower, upper, _, content := openLayers(t, 1<<20)
	if err := lower.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(upper); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, upper, _, _ = openLayers(t, 1<<20)
	if err := upper.Close(); err != nil {
		t.Error(err)
	}
}
