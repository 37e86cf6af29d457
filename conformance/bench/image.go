package main

// The image that all tools unpack: always the same bytes.

import (
	"archive/tar"
	"bufio"
	_ "crypto/sha256" // the digests' algorithm
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	imagespecs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The image to unpack is made here, the same bytes each time: six layers
// like those of a distribution with packages on top. About 47 entries a
// megabyte, one in ten a hard link, upper layers with replaced files,
// whiteouts and opaque directories.
const (
	imageLayers  = 6
	entriesPerMB = 47
)

// forms are the compressions and none, each with the same content in the same layers.
var forms = [...]struct {
	name, media string
	open        func(io.Writer) (io.WriteCloser, error)
}{
	{"gzip", v1.MediaTypeImageLayerGzip, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 6) }},
	{"zstd", v1.MediaTypeImageLayerZstd, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }},
	{"plain", v1.MediaTypeImageLayer, func(w io.Writer) (io.WriteCloser, error) { return uncompressed{w}, nil }},
}

type uncompressed struct{ io.Writer }

func (uncompressed) Close() error { return nil }

// imageMaker writes the layers of all forms at once.
type imageMaker struct {
	dir     string
	mb      int // megabytes in all
	count   int // of layers
	rnd     *rand.Rand
	text    []byte
	busybox []byte // in the first layer, if there is any
	// strict makes what every tool unpacks: a hard link stays within its layer, and no
	// name is there twice, in names of this layer.
	strict  bool
	names   map[string]bool
	files   []string // regular files of all layers, the candidates for links and whiteouts
	dirs    []string
	serial  int
	entries int
	config  v1.Image
	layers  [len(forms)][]v1.Descriptor
}

// makeImage makes the layouts dir/gzip, dir/zstd and dir/plain of mb megabytes and gives
// the number of their entries.
func makeImage(dir string, mb int) (int, error) {
	m, err := newImageMaker(dir, mb, imageLayers)
	if err != nil {
		return 0, err
	}
	for n := range imageLayers {
		if err := m.nextLayer(n); err != nil {
			return 0, err
		}
	}
	for i := range forms {
		image, err := m.manifest(i)
		if err == nil {
			err = m.index(i, map[string]v1.Descriptor{"bench": image})
		}
		if err != nil {
			return 0, err
		}
	}
	return m.entries, nil
}

func newImageMaker(dir string, mb, count int) (*imageMaker, error) {
	m := &imageMaker{dir: dir, mb: mb, count: count, rnd: rand.New(rand.NewPCG(1, 2)), config: v1.Image{Platform: v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}}}
	m.config.RootFS.Type = "layers"
	m.text = m.material(min(max(mb, 8), 64) << 20)
	for _, f := range forms {
		if err := os.MkdirAll(filepath.Join(dir, f.name, v1.ImageBlobsDir, "sha256"), 0o755); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// nextLayer adds layer n, from 0. The first has as much as all the others together.
func (m *imageMaker) nextLayer(n int) error {
	all, parts := 2*(m.count-1), 1
	if n == 0 {
		parts = all - (m.count - 1)
	}
	if err := m.layer(n, m.mb*parts*(1<<20)/all, m.mb*parts*entriesPerMB/all); err != nil {
		return fmt.Errorf("make layer %d: %w", n+1, err)
	}
	return nil
}

// material is what files are cut from: prose, code and noise, so that gzip
// makes it 2.6 times smaller, as it does programs and their data. It is much
// larger than a compressor's window: what is cut out twice stays new to it.
func (m *imageMaker) material(size int) []byte {
	words := m.words(1024, func() byte { return byte('a' + m.rnd.IntN(26)) })
	code := m.words(1024, func() byte { return byte(m.rnd.Uint32()) })
	out := make([]byte, 0, size+4096)
	for len(out) < size {
		kind := m.rnd.IntN(20)
		for end := len(out) + 512 + m.rnd.IntN(2048); len(out) < end; {
			i := int(math.Pow(m.rnd.Float64(), 6) * float64(len(words)))
			switch {
			case kind < 10:
				out = append(append(out, words[i]...), ' ')
			case kind < 19: // an instruction and its operand
				out = append(append(out, code[i]...), byte(m.rnd.IntN(8)), 0)
			default:
				out = append(out, byte(m.rnd.Uint32()))
			}
		}
	}
	return out[:size]
}

func (m *imageMaker) words(n int, letter func() byte) [][]byte {
	words := make([][]byte, n)
	for i := range words {
		words[i] = make([]byte, 3+m.rnd.IntN(10))
		for j := range words[i] {
			words[i][j] = letter()
		}
	}
	return words
}

// layer writes layer n (from 0) in every form.
func (m *imageMaker) layer(n, bytes, entries int) (err error) {
	var outs []*blobWriter
	var ws []io.Writer
	for _, f := range forms {
		b, err := newBlobWriter(filepath.Join(m.dir, f.name), f.open)
		if err != nil {
			return err
		}
		outs, ws = append(outs, b), append(ws, b.plain)
	}
	plain := digest.SHA256.Digester()
	bw := bufio.NewWriterSize(io.MultiWriter(append(ws, plain.Hash())...), 1<<20)
	tw := tar.NewWriter(bw)
	if err := m.fill(tw, n, bytes, entries); err != nil {
		return err
	}
	if err := errors.Join(tw.Close(), bw.Flush()); err != nil {
		return err
	}
	m.config.RootFS.DiffIDs = append(m.config.RootFS.DiffIDs, plain.Digest())
	for i, b := range outs {
		d, err := b.close(forms[i].media)
		if err != nil {
			return err
		}
		m.layers[i] = append(m.layers[i], d)
	}
	return nil
}

// fill writes the entries of a layer.
func (m *imageMaker) fill(tw *tar.Writer, n, bytes, entries int) error {
	lower, lowerDirs := len(m.files), len(m.dirs)
	mean := max(1, bytes/max(1, entries*3/4))
	m.names = map[string]bool{}
	if n == 0 && m.busybox != nil {
		if err := m.program(tw); err != nil {
			return err
		}
	}
	dir := ""
	for i := range entries {
		var err error
		switch r := m.rnd.IntN(200); {
		case i%20 == 0:
			dir, err = m.newDir(tw, n)
		case r < 12:
			err = m.put(tw, &tar.Header{Typeflag: tar.TypeSymlink, Name: m.name(dir, "link"), Linkname: "../target/of/link"}, nil)
		case r < 32 && len(m.files) > m.linkable(lower): // mostly to a file nearby
			target := m.files[max(m.linkable(lower), len(m.files)-1-m.rnd.IntN(40))]
			err = m.put(tw, &tar.Header{Typeflag: tar.TypeLink, Name: m.name(dir, "hard"), Linkname: target}, nil)
		case r < 36 && lower > 0: // each file is hidden once at most: the rest stays
			lower--
			err = m.put(tw, &tar.Header{Typeflag: tar.TypeReg, Name: filepath.Join(filepath.Dir(m.files[lower]), ".wh."+filepath.Base(m.files[lower]))}, nil)
			m.files = append(m.files[:lower], m.files[lower+1:]...)
		case r < 40 && lower > 0: // a new version of a file
			err = m.put(tw, &tar.Header{Typeflag: tar.TypeReg, Name: m.files[m.rnd.IntN(lower)]}, m.content(mean))
		default:
			name := m.name(dir, "file")
			err = m.put(tw, &tar.Header{Typeflag: tar.TypeReg, Name: name}, m.content(mean))
			m.files = append(m.files, name)
		}
		if err != nil {
			return err
		}
	}
	// Opaque directories hide what lower layers have there; nothing above
	// links to it any more, so they come last and leave m.files alone.
	for i := 0; i < 5 && n == m.count-1 && lowerDirs > 10; i++ {
		d := m.dirs[m.rnd.IntN(lowerDirs)]
		if err := m.put(tw, &tar.Header{Typeflag: tar.TypeReg, Name: d + "/.wh..wh..opq"}, nil); err != nil {
			return err
		}
	}
	return nil
}

// linkable is the first file that a hard link may lead to, if so many are lower
// layers'.
func (m *imageMaker) linkable(lower int) int {
	if m.strict {
		return lower
	}
	return 0
}

// program puts what a container needs to run busybox.
func (m *imageMaker) program(tw *tar.Writer) error {
	for _, dir := range []string{"bin", "dev", "etc", "proc", "sys", "tmp"} {
		if err := m.put(tw, &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}, nil); err != nil {
			return err
		}
	}
	return m.put(tw, &tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755}, m.busybox)
}

func (m *imageMaker) name(dir, kind string) string {
	m.serial++
	return fmt.Sprintf("%s/%s-%d.ext", dir, kind, m.serial)
}

// newDir makes a directory some levels deep.
func (m *imageMaker) newDir(tw *tar.Writer, layer int) (string, error) {
	d := fmt.Sprintf("usr/share/layer%d", layer)
	if len(m.dirs) > 0 && m.rnd.IntN(3) > 0 {
		if up := m.dirs[len(m.dirs)-1]; len(up) < 80 {
			d = up
		}
	}
	m.serial++
	d += fmt.Sprintf("/dir%d", m.serial)
	m.dirs = append(m.dirs, d)
	return d, m.put(tw, &tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755}, nil)
}

// content is about mean bytes: mostly less, sometimes much more.
func (m *imageMaker) content(mean int) []byte {
	size := int(float64(mean) * min(m.rnd.ExpFloat64()*m.rnd.ExpFloat64(), 40))
	size = min(size, len(m.text))
	at := m.rnd.IntN(len(m.text) - size + 1)
	return m.text[at : at+size]
}

// put writes an entry; owner and mode vary, times go up.
func (m *imageMaker) put(tw *tar.Writer, h *tar.Header, body []byte) error {
	h.Size, h.ModTime = int64(len(body)), time.Unix(1_700_000_000+int64(m.entries), 0)
	if h.Mode == 0 {
		h.Mode = []int64{0o644, 0o755, 0o600, 0o4755}[m.rnd.IntN(4)]
	}
	if m.rnd.IntN(4) == 0 {
		h.Uid, h.Gid = 1000, 100
	}
	name := strings.Replace(h.Name, "/.wh.", "/", 1)
	if m.strict && m.names[name] {
		return nil
	}
	m.names[name] = true
	m.entries++
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := tw.Write(body)
	return err
}

// manifest writes the config and the manifest of the layers that there are, in form i.
func (m *imageMaker) manifest(i int) (v1.Descriptor, error) {
	dir := filepath.Join(m.dir, forms[i].name)
	config, err := writeJSONBlob(dir, v1.MediaTypeImageConfig, m.config)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return writeJSONBlob(dir, v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: imagespecs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: m.layers[i],
	})
}

// index completes the layout of form i with the images by their tags.
func (m *imageMaker) index(i int, images map[string]v1.Descriptor) error {
	dir := filepath.Join(m.dir, forms[i].name)
	index := v1.Index{Versioned: imagespecs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for tag, image := range images {
		image.Annotations = map[string]string{v1.AnnotationRefName: tag}
		index.Manifests = append(index.Manifests, image)
	}
	text, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("encode index: %w", err)
	}
	layout := `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`
	return errors.Join(os.WriteFile(filepath.Join(dir, v1.ImageIndexFile), text, 0o644),
		os.WriteFile(filepath.Join(dir, v1.ImageLayoutFile), []byte(layout), 0o644))
}

func writeJSONBlob(layout, media string, v any) (v1.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("encode %s: %w", media, err)
	}
	d := v1.Descriptor{MediaType: media, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, os.WriteFile(blobPath(layout, d.Digest), data, 0o644)
}

func blobPath(layout string, d digest.Digest) string {
	return filepath.Join(layout, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// blobWriter compresses and hashes a layer, on a goroutine of its own: the
// forms are compressed side by side.
type blobWriter struct {
	layout string
	temp   *os.File
	plain  *io.PipeWriter
	done   chan error
	sum    digest.Digester
	size   int64
}

func newBlobWriter(layout string, open func(io.Writer) (io.WriteCloser, error)) (*blobWriter, error) {
	f, err := os.CreateTemp(layout, "layer-")
	if err != nil {
		return nil, err
	}
	b := &blobWriter{layout: layout, temp: f, done: make(chan error, 1), sum: digest.SHA256.Digester()}
	z, err := open(b)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r, w := io.Pipe()
	b.plain = w
	go func() {
		_, err := io.Copy(z, r)
		_ = r.CloseWithError(err)
		b.done <- errors.Join(err, z.Close())
	}()
	return b, nil
}

func (b *blobWriter) Write(p []byte) (int, error) {
	n, err := b.temp.Write(p)
	b.sum.Hash().Write(p[:n])
	b.size += int64(n)
	return n, err
}

func (b *blobWriter) close(media string) (v1.Descriptor, error) {
	err := errors.Join(b.plain.Close(), <-b.done, b.temp.Close())
	d := v1.Descriptor{MediaType: media, Digest: b.sum.Digest(), Size: b.size}
	if err == nil {
		err = os.Rename(b.temp.Name(), blobPath(b.layout, d.Digest))
	}
	return d, err
}
