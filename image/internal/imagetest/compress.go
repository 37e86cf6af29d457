package imagetest

// Content as layers carry it.

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/compress"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/opencontainers/go-digest"
)

// Compress compresses data, in one member or frame.
func Compress(tb testing.TB, data []byte, c image.Compression) []byte {
	tb.Helper()
	var b bytes.Buffer
	switch c {
	case image.Gzip:
		w := gzip.NewWriter(&b)
		w.Write(data)
		w.Close()
	case image.Zstd:
		w, _ := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		w.Write(data)
		w.Close()
	default:
		b.Write(data)
	}
	return b.Bytes()
}

// Bomb is a layer with a file of size zero bytes, compressed, and its DiffID.
func Bomb(tb testing.TB, size int64, c image.Compression) ([]byte, digest.Digest) {
	tb.Helper()
	var packed bytes.Buffer
	w, err := compress.NewWriter(&packed, c)
	if err != nil {
		tb.Fatal(err)
	}
	plain := stream.NewHasher(w)
	tw := tar.NewWriter(plain)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Size: size, Mode: 0o644}); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.CopyN(tw, zeros{}, size); err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(tw.Close(), w.Close()); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes(), plain.Sum.Digest()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Noise is n bytes that do not compress, always the same.
func Noise(n int) string {
	var b strings.Builder
	for d := digest.FromString("noise"); b.Len() < n; d = digest.FromString(string(d)) {
		b.WriteString(d.Encoded())
	}
	return b.String()[:n]
}
