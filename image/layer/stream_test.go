package layer_test

// Lies about content: every one is found, and nothing stays behind.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

var lies = []struct {
	name string
	want string
	lie  func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image)
}{
	{"a blob that is not what its digest says", "its digest is", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		name := filepath.Join(l.Dir, verify.BlobName(m.Layers[0].Digest))
		data, _ := os.ReadFile(name)
		data[9] ^= 1 // the gzip header's operating system
		os.WriteFile(name, data, 0o644)
	}},
	{"a blob shorter than its descriptor", "its descriptor says", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Size++ }},
	{"a blob longer than its descriptor", "its descriptor says", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Size-- }},
	{"a negative size", "size -1", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Size = -1 }},
	{"a DiffID of other content", "rootfs.diff_ids says", func(_ *imagetest.Layout, _ *v1.Manifest, cfg *v1.Image) {
		cfg.RootFS.DiffIDs[0] = digest.FromBytes([]byte("other"))
	}},
	{"a malformed DiffID", "malformed digest", func(_ *imagetest.Layout, _ *v1.Manifest, cfg *v1.Image) { cfg.RootFS.DiffIDs[0] = "sha256:xyz" }},
	{"garbage after the gzip stream", "not a gzip header", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		data, _ := os.ReadFile(filepath.Join(l.Dir, verify.BlobName(m.Layers[0].Digest)))
		m.Layers[0] = l.Blob(m.Layers[0].MediaType, append(data, "garbage behind it"...))
	}},
	{"garbage after the zstd stream", "magic number mismatch", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		data := imagetest.Compress(l.TB, imagetest.Tar(l.TB, imagetest.Entry{Name: "f"}), image.Zstd)
		m.Layers[0] = l.Blob(v1.MediaTypeImageLayer+"+zstd", append(data, "garbage behind it"...))
	}},
	{"data after the end of the archive", "data after the end of the tar archive", func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
		data := append(imagetest.Tar(l.TB, imagetest.Entry{Name: "f"}), imagetest.Tar(l.TB, imagetest.Entry{Name: "hidden"})...)
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.Blob(v1.MediaTypeImageLayer, data), digest.FromBytes(data)
	}},
	{"a truncated gzip stream", "unexpected EOF", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		data, _ := os.ReadFile(filepath.Join(l.Dir, verify.BlobName(m.Layers[0].Digest)))
		m.Layers[0] = l.Blob(m.Layers[0].MediaType, data[:len(data)-20])
	}},
	{"a truncated archive", "unexpected EOF", func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
		data := imagetest.Tar(l.TB, imagetest.Entry{Name: "f", Body: strings.Repeat("x", 5000)})[:2000]
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.Blob(v1.MediaTypeImageLayer, data), digest.FromBytes(data)
	}},
	{"plain tar called gzip", "not a gzip header", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0] = l.Blob(v1.MediaTypeImageLayer+"+gzip", imagetest.Tar(l.TB, imagetest.Entry{Name: "f"}))
	}},
	{"an empty blob called gzip", "EOF", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0] = l.Blob(v1.MediaTypeImageLayer+"+gzip", nil)
	}},
	{"a layer that is missing", "is missing", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = digest.FromBytes([]byte("no such blob"))
	}},
	{"CVE-2024-3727: a digest that is a path", "malformed digest", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = "sha256:../../../etc/passwd"
	}},
	{"a digest with an unknown algorithm", "malformed digest", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = "md5:d41d8cd98f00b204e9800998ecf8427e"
	}},
	{"a digest with an algorithm that image-spec does not register", "must be sha256 or sha512", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = digest.Digest("sha384:" + strings.Repeat("0", 96))
	}},
	{"a digest without an algorithm", "malformed digest", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) { m.Layers[0].Digest = "" }},
	{"a digest in capitals", "malformed digest", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Digest = digest.Digest("sha256:" + strings.ToUpper(string(m.Layers[0].Digest[7:])))
	}},
	{"a blob that is a FIFO", "is not a regular file", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		name := filepath.Join(l.Dir, verify.BlobName(m.Layers[0].Digest))
		os.Remove(name)
		if err := unix.Mkfifo(name, 0o644); err != nil {
			l.TB.Fatal(err)
		}
	}},
	{"a blob that is a link out of the layout", "escapes", func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		name := filepath.Join(l.Dir, verify.BlobName(m.Layers[0].Digest))
		os.Rename(name, filepath.Join(l.TB.TempDir(), "blob"))
		os.Symlink("/etc/passwd", name)
	}},
	{"fewer DiffIDs than layers", "rootfs.diff_ids", func(_ *imagetest.Layout, _ *v1.Manifest, cfg *v1.Image) { cfg.RootFS.DiffIDs = nil }},
	{"a config of another kind", "an artifact of type", func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
		m.Config = l.JSON("application/vnd.example+json", cfg)
	}},
	{"a layer of another kind", "not a layer this version can read", func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) { m.Layers[0].MediaType = "text/plain" }},
	{"rootfs.type", "want \"layers\"", func(_ *imagetest.Layout, _ *v1.Manifest, cfg *v1.Image) { cfg.RootFS.Type = "squashfs" }},
	{"CVE-2023-25153: a huge config", "at most", func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
		cfg.Author = strings.Repeat("x", image.MaxJSON)
		m.Config = l.JSON(v1.MediaTypeImageConfig, cfg)
	}},
}

func TestLies(t *testing.T) {
	for _, c := range lies {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := story.Unpack(t, imagetest.Lie(t, c.lie), bundle.UnpackOptions{})
			if err == nil {
				t.Fatal("it was believed")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v; want %q in it", err, c.want)
			}
		})
	}
	if _, _, err := story.Unpack(t, imagetest.Lie(t, func(*imagetest.Layout, *v1.Manifest, *v1.Image) {}), bundle.UnpackOptions{}); err != nil {
		t.Errorf("the honest image is refused: %v", err)
	}
}

// What an image costs is limited, by each limit alone.
func TestLimits(t *testing.T) {
	var many []imagetest.Entry
	for i := range 250 {
		many = append(many, imagetest.Entry{Name: "d/" + strings.Repeat("n", i+1)})
	}
	layer.LessGrace(t, 2<<20)
	blob, diffID := imagetest.Bomb(t, 8<<20, image.Zstd)
	bombDir := imagetest.Lie(t, func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.Blob(v1.MediaTypeImageLayer+"+zstd", blob), diffID
	})
	padded := append(imagetest.Tar(t, imagetest.Entry{Name: "f"}), make([]byte, 3<<20)...)
	sparse := append(imagetest.RawTar(t, 'x', "PaxHeaders/f", imagetest.PAXRecords("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "1125899906842624", "GNU.sparse.name", "f")),
		imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "1\n1125899906842624\n0\n" + strings.Repeat("\x00", 512-21)})...)
	for _, c := range []struct {
		name, layout, want string
		limits             image.Limits
	}{
		{"a zstd bomb by its ratio", bombDir, "--max-ratio", image.DefaultLimits()},
		{"a zstd bomb by its size", bombDir, "--max-size", image.Limits{MaxSize: 4 << 20}},
		{"CVE-2017-14992: padding after the archive", imagetest.LayoutOf(t, padded), "--max-size", image.Limits{MaxSize: 1 << 20}},
		{"a sparse file of a pebibyte", imagetest.LayoutOf(t, sparse), "--max-size", image.DefaultLimits()},
		{"two layers together", imagetest.LayoutOf(t, imagetest.Tar(t, many[:125]...), imagetest.Tar(t, many[125:]...)), "--max-entries", image.Limits{MaxEntries: 249}},
		{"names", imagetest.LayoutOf(t, imagetest.Tar(t, many[:200]...)), "--max-path", image.Limits{MaxPath: 100}},
	} {
		_, _, err := story.Unpack(t, c.layout, bundle.UnpackOptions{Limits: &c.limits})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %s named", c.name, err, c.want)
		}
	}
	if _, _, err := story.Unpack(t, bombDir, bundle.UnpackOptions{Limits: &image.Limits{MaxSize: 1 << 30}}); err != nil {
		t.Errorf("the bomb within the limits: %v", err)
	}
}

// A frame may not make the decoder take gigabytes for its window. The encoder would
// take as much: only the header says so.
func TestZstdWindow(t *testing.T) {
	data := imagetest.Compress(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: strings.Repeat("x", 1<<20)}), image.Zstd)
	const window = 19 << 3 // 2^(10+19) bytes (RFC 8878, 3.1.1.1.2)
	if data[4]>>5&1 != 0 {
		t.Fatal("the frame has no window descriptor")
	}
	data[5] = window
	dir := imagetest.Lie(t, func(l *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0] = l.Blob(v1.MediaTypeImageLayer+"+zstd", data)
	})
	if _, _, err := story.Unpack(t, dir, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "window size exceeded") {
		t.Errorf("error is %v; want the window refused", err)
	}
}

// Memory stays bounded however many entries and however large a layer is.
func TestMemory(t *testing.T) {
	const size, most = 24 << 20, 8 << 20
	blob, diffID := imagetest.Bomb(t, size, image.Gzip)
	dir := imagetest.Lie(t, func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.Blob(v1.MediaTypeImageLayer+"+gzip", blob), diffID
	})
	blob = nil
	if _, _, err := story.Unpack(t, dir, bundle.UnpackOptions{Limits: &image.Limits{MaxSize: 1 << 20}}); err == nil {
		t.Fatal("the limit does not hold")
	}
	l, _, err := layout.Open(t.Context(), reference.Place{Path: dir}, image.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	img, err := l.Image("", manifest.Want{Platform: manifest.HostPlatform()})
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.OpenBlob(img.Layers[0].Descriptor)
	if err != nil {
		t.Fatal(err)
	}
	r, err := layer.Open(t.Context(), f, img.Layers[0], &layer.Budget{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 1<<20)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := before.HeapAlloc
	for i := 0; ; i++ {
		_, err := r.Read(buf)
		if i%16 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if grown := peak - before.HeapAlloc; grown > most {
		t.Errorf("the heap grew by %d MiB for a layer of %d; want a few", grown>>20, size>>20)
	}
}

// An interrupt stops at once and removes everything, before something was written
// and after: of a layer of 8 MiB, half are read ahead at most.
func TestCancel(t *testing.T) {
	var list []imagetest.Entry
	noise := imagetest.Noise(64 << 10)
	for i := range 128 {
		list = append(list, imagetest.Entry{Name: fmt.Sprint("f", i), Body: noise})
	}
	data := imagetest.Tar(t, list...)
	dir := imagetest.Lie(t, func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
		m.Layers[0], cfg.RootFS.DiffIDs[0] = l.Blob(v1.MediaTypeImageLayer, data), digest.FromBytes(data)
	})
	for _, quarters := range []int64{0, 3} {
		ctx, cancel := context.WithCancel(t.Context())
		target := filepath.Join(t.TempDir(), "b")
		written := false
		_, err := bundle.Unpack(ctx, dir, target, bundle.UnpackOptions{Progress: func(done, total int64) {
			if done >= total/4*quarters {
				_, e := os.Lstat(filepath.Join(target, "rootfs", "f0"))
				written = written || e == nil
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %d quarters: error is %v; want canceled", quarters, err)
		}
		if quarters > 0 && !written {
			t.Errorf("after %d quarters: nothing was written: the test shows nothing", quarters)
		}
		if _, err := os.Lstat(target); !os.IsNotExist(err) {
			t.Errorf("after %d quarters: the bundle is still there", quarters)
		}
		cancel()
	}
}
