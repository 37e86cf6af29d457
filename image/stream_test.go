// Lies about content: every one is found, and nothing stays behind.

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// lieTo builds an image and lets lie change it after it is whole.
func lieTo(t *testing.T, lie func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image)) string {
	t.Helper()
	l := newLayout(t)
	data := tarOf(t, ent{name: "f", body: strings.Repeat("content ", 1000)})
	cfg := &v1.Image{Platform: HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(data)}}}
	m := &v1.Manifest{Versioned: schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{l.blob(v1.MediaTypeImageLayer+"+gzip", compressed(t, data, Gzip))}}
	lie(l, m, cfg)
	if m.Config.Digest == "" {
		m.Config = l.json(v1.MediaTypeImageConfig, cfg)
	}
	l.index(l.json(v1.MediaTypeImageManifest, m))
	return l.dir
}

var lies = []struct {
	name string
	want string
	lie  func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image)
}{
	{"a blob that is not what its digest says", "its digest is", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		name := filepath.Join(l.dir, blobName(m.Layers[0].Digest))
		data, _ := os.ReadFile(name)
		data[9] ^= 1 // the gzip header's operating system
		os.WriteFile(name, data, 0o644)
	}},
	{"a blob shorter than its descriptor", "its descriptor says", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Size++ }},
	{"a blob longer than its descriptor", "its descriptor says", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Size-- }},
	{"a negative size", "size -1", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Size = -1 }},
	{"a DiffID of other content", "rootfs.diff_ids says", func(_ *layoutBuilder, _ *v1.Manifest, cfg *v1.Image) {
		cfg.RootFS.DiffIDs[0] = digest.FromBytes([]byte("other"))
	}},
	{"a malformed DiffID", "malformed digest", func(_ *layoutBuilder, _ *v1.Manifest, cfg *v1.Image) { cfg.RootFS.DiffIDs[0] = "sha256:xyz" }},
	{"garbage after the gzip stream", "not a gzip header", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		data, _ := os.ReadFile(filepath.Join(l.dir, blobName(m.Layers[0].Digest)))
		m.Layers[0] = l.blob(m.Layers[0].MediaType, append(data, "garbage behind it"...))
	}},
	{"garbage after the zstd stream", "magic number mismatch", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		data := compressed(l.tb, tarOf(l.tb, ent{name: "f"}), Zstd)
		m.Layers[0] = l.blob(v1.MediaTypeImageLayer+"+zstd", append(data, "garbage behind it"...))
	}},
	{"data after the end of the archive", "data after the end of the tar archive", func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image) {
		data := append(tarOf(l.tb, ent{name: "f"}), tarOf(l.tb, ent{name: "hidden"})...)
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.blob(v1.MediaTypeImageLayer, data), digest.FromBytes(data)
	}},
	{"a truncated gzip stream", "unexpected EOF", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		data, _ := os.ReadFile(filepath.Join(l.dir, blobName(m.Layers[0].Digest)))
		m.Layers[0] = l.blob(m.Layers[0].MediaType, data[:len(data)-20])
	}},
	{"a truncated archive", "unexpected EOF", func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image) {
		data := tarOf(l.tb, ent{name: "f", body: strings.Repeat("x", 5000)})[:2000]
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.blob(v1.MediaTypeImageLayer, data), digest.FromBytes(data)
	}},
	{"plain tar called gzip", "not a gzip header", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0] = l.blob(v1.MediaTypeImageLayer+"+gzip", tarOf(l.tb, ent{name: "f"}))
	}},
	{"an empty blob called gzip", "EOF", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0] = l.blob(v1.MediaTypeImageLayer+"+gzip", nil)
	}},
	{"a layer that is missing", "is missing", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = digest.FromBytes([]byte("no such blob"))
	}},
	{"CVE-2024-3727: a digest that is a path", "malformed digest", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = "sha256:../../../etc/passwd"
	}},
	{"a digest with an unknown algorithm", "malformed digest", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = "md5:d41d8cd98f00b204e9800998ecf8427e"
	}},
	{"a digest with an algorithm that image-spec does not register", "must be sha256 or sha512", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = digest.Digest("sha384:" + strings.Repeat("0", 96))
	}},
	{"a digest without an algorithm", "malformed digest", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Digest = "" }},
	{"a digest in capitals", "malformed digest", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = digest.Digest("sha256:" + strings.ToUpper(string(m.Layers[0].Digest[7:])))
	}},
	{"a blob that is a FIFO", "is not a regular file", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		name := filepath.Join(l.dir, blobName(m.Layers[0].Digest))
		os.Remove(name)
		mknodatPath(l.tb, name)
	}},
	{"a blob that is a link out of the layout", "escapes", func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		name := filepath.Join(l.dir, blobName(m.Layers[0].Digest))
		os.Rename(name, filepath.Join(l.tb.TempDir(), "blob"))
		os.Symlink("/etc/passwd", name)
	}},
	{"fewer DiffIDs than layers", "rootfs.diff_ids", func(_ *layoutBuilder, _ *v1.Manifest, cfg *v1.Image) { cfg.RootFS.DiffIDs = nil }},
	{"a config of another kind", "an artifact of type", func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image) {
		m.Config = l.json("application/vnd.example+json", cfg)
	}},
	{"a layer of another kind", "not a layer this version can read", func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) { m.Layers[0].MediaType = "text/plain" }},
	{"rootfs.type", "want \"layers\"", func(_ *layoutBuilder, _ *v1.Manifest, cfg *v1.Image) { cfg.RootFS.Type = "squashfs" }},
	{"CVE-2023-25153: a huge config", "at most", func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image) {
		cfg.Author = strings.Repeat("x", maxJSON)
		m.Config = l.json(v1.MediaTypeImageConfig, cfg)
	}},
}

func mknodatPath(tb testing.TB, path string) {
	tb.Helper()
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		tb.Fatal(err)
	}
	defer dir.Close()
	if err := mknodat(int(dir.Fd()), filepath.Base(path), 0o10644, 0); err != nil {
		tb.Fatal(err)
	}
}

func TestLies(t *testing.T) {
	for _, c := range lies {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := unpackIn(t, lieTo(t, c.lie), UnpackOptions{})
			if err == nil {
				t.Fatal("it was believed")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v; want %q in it", err, c.want)
			}
		})
	}
	if _, _, err := unpackIn(t, lieTo(t, func(*layoutBuilder, *v1.Manifest, *v1.Image) {}), UnpackOptions{}); err != nil {
		t.Errorf("the honest image is refused: %v", err)
	}
}

// bomb is a file of size zeros in a layer.
func bomb(tb testing.TB, size int64, c Compression) ([]byte, digest.Digest) {
	tb.Helper()
	var packed bytes.Buffer
	w, err := compressor(&packed, c)
	if err != nil {
		tb.Fatal(err)
	}
	plain := newHashing(w)
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
	return packed.Bytes(), plain.sum.Digest()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What an image costs is limited, by each limit alone.
func TestLimits(t *testing.T) {
	var many []ent
	for i := range 250 {
		many = append(many, ent{name: "d/" + strings.Repeat("n", i+1)})
	}
	blob, diffID := bomb(t, 200<<20, Zstd)
	bombDir := lieTo(t, func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image) {
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.blob(v1.MediaTypeImageLayer+"+zstd", blob), diffID
	})
	padded := append(tarOf(t, ent{name: "f"}), make([]byte, 3<<20)...)
	sparse := append(rawTar(t, 'x', "PaxHeaders/f", paxRecords("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "1125899906842624", "GNU.sparse.name", "f")),
		tarOf(t, ent{name: "f", body: "1\n1125899906842624\n0\n" + strings.Repeat("\x00", 512-21)})...)
	for _, c := range []struct {
		name, layout, want string
		limits             Limits
	}{
		{"a zstd bomb by its ratio", bombDir, "--max-ratio", DefaultLimits()},
		{"a zstd bomb by its size", bombDir, "--max-size", Limits{MaxSize: 100 << 20}},
		{"CVE-2017-14992: padding after the archive", layoutOf(t, padded), "--max-size", Limits{MaxSize: 1 << 20}},
		{"a sparse file of a pebibyte", layoutOf(t, sparse), "--max-size", DefaultLimits()},
		{"two layers together", layoutOf(t, tarOf(t, many[:125]...), tarOf(t, many[125:]...)), "--max-entries", Limits{MaxEntries: 249}},
		{"names", layoutOf(t, tarOf(t, many[:200]...)), "--max-path", Limits{MaxPath: 100}},
	} {
		_, _, err := unpackIn(t, c.layout, UnpackOptions{Limits: &c.limits})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %s named", c.name, err, c.want)
		}
	}
	if _, _, err := unpackIn(t, bombDir, UnpackOptions{Limits: &Limits{MaxSize: 1 << 30}}); err != nil {
		t.Errorf("the bomb within the limits: %v", err)
	}
}

// A frame may not make the decoder take gigabytes for its window.
func TestZstdWindow(t *testing.T) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(zstd.MaxWindowSize), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	data := tarOf(t, ent{name: "f", body: strings.Repeat("x", 1<<20)})
	w.Write(data)
	w.Write(make([]byte, 1<<20))
	w.Close()
	dir := lieTo(t, func(l *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0] = l.blob(v1.MediaTypeImageLayer+"+zstd", b.Bytes())
	})
	if _, _, err := unpackIn(t, dir, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "window size exceeded") {
		t.Errorf("error is %v; want the window refused", err)
	}
}

// Memory stays bounded however many entries and however large a layer is.
func TestMemory(t *testing.T) {
	blob, diffID := bomb(t, 400<<20, Gzip)
	dir := lieTo(t, func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image) {
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.blob(v1.MediaTypeImageLayer+"+gzip", blob), diffID
	})
	blob = nil
	runtime.GC()
	var peak uint64
	_, _, err := unpackIn(t, dir, UnpackOptions{Limits: &Limits{MaxSize: 1 << 20}})
	if err == nil {
		t.Fatal("the limit does not hold")
	}
	l, _, err := Open(Reference{Path: dir}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	img, err := l.Image("", HostPlatform())
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.openBlob(img.Layers[0].Descriptor)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openLayer(t.Context(), f, img.Layers[0], &budget{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 1<<20)
	for i := 0; ; i++ {
		_, err := r.Read(buf)
		if i%64 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if peak > 64<<20 {
		t.Errorf("the heap grew to %d MiB; want a few", peak>>20)
	}
}

// An interrupt stops at once and removes everything.
func TestCancel(t *testing.T) {
	blob, diffID := bomb(t, 400<<20, Gzip)
	dir := lieTo(t, func(l *layoutBuilder, m *v1.Manifest, cfg *v1.Image) {
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.blob(v1.MediaTypeImageLayer+"+gzip", blob), diffID
	})
	for _, after := range []int64{0, 100_000} {
		ctx, cancel := context.WithCancel(t.Context())
		bundle := filepath.Join(t.TempDir(), "b")
		start := time.Now()
		_, err := Unpack(ctx, dir, bundle, UnpackOptions{Progress: func(done, _ int64) {
			if done >= after {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %d bytes: error is %v; want canceled", after, err)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("after %d bytes: it took %v", after, d)
		}
		if _, err := os.Lstat(bundle); !os.IsNotExist(err) {
			t.Errorf("after %d bytes: the bundle is still there", after)
		}
		cancel()
	}
}
