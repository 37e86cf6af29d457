package main

// What small inputs make a program spend: images that nobody would make in good
// faith, or hardly anybody. Whether one is refused is not the matter here, but
// what it takes to do so.

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	imagespecs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// nastyLayout is a layout of one nasty image.
type nastyLayout struct{ dir string }

// blob adds a blob.
func (l nastyLayout) blob(media string, data []byte) (v1.Descriptor, error) {
	d := v1.Descriptor{MediaType: media, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, os.WriteFile(blobPath(l.dir, d.Digest), data, 0o644)
}

// image adds an image and writes the index.
func (l nastyLayout) image(config string, layers ...nastyLayer) error {
	m := v1.Manifest{Versioned: imagespecs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	var ids []string
	for _, layer := range layers {
		media := v1.MediaTypeImageLayer
		if layer.zstd {
			media = v1.MediaTypeImageLayerZstd
		}
		d, err := l.blob(media, layer.data)
		if err != nil {
			return err
		}
		m.Layers, ids = append(m.Layers, d), append(ids, `"`+string(layer.diffID)+`"`)
	}
	config = fmt.Sprintf(`{"os":%q,"architecture":%q,"rootfs":{"type":"layers","diff_ids":[%s]},%s}`, runtime.GOOS, runtime.GOARCH, strings.Join(ids, ","), config)
	var err error
	if m.Config, err = l.blob(v1.MediaTypeImageConfig, []byte(config)); err != nil {
		return err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	d, err := l.blob(v1.MediaTypeImageManifest, data)
	if err != nil {
		return err
	}
	return l.index(descriptor(d))
}

// index writes the list of images.
func (l nastyLayout) index(list string) error {
	return os.WriteFile(filepath.Join(l.dir, v1.ImageIndexFile), []byte(indexOf(list)), 0o644)
}

func indexOf(list string) string {
	return `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[` + list + `]}`
}

func descriptor(d v1.Descriptor) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
}

// nested makes eight indexes within indexes, each with more beside the next one.
func (l nastyLayout) nested(beside string) error {
	data, err := json.Marshal(v1.Manifest{Versioned: imagespecs.Versioned{SchemaVersion: 2}})
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	d, err := l.blob(v1.MediaTypeImageManifest, data)
	for range 8 {
		if err == nil {
			d, err = l.blob(v1.MediaTypeImageIndex, []byte(indexOf(descriptor(d)+","+beside)))
		}
	}
	if err != nil {
		return err
	}
	return l.index(descriptor(d))
}

// nastyLayer is a layer, and the digest of its content.
type nastyLayer struct {
	data   []byte
	diffID digest.Digest
	zstd   bool
}

func plainLayer(data []byte) nastyLayer { return nastyLayer{data, digest.FromBytes(data), false} }

// tarOf is an archive of n entries.
func tarOf(n int, entry func(i int) *tar.Header) nastyLayer {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for i := range n {
		if err := tw.WriteHeader(entry(i)); err != nil {
			panic(err) // the table below is wrong
		}
	}
	_ = tw.Close()
	return plainLayer(b.Bytes())
}

// sparseLayer is a file of a hole, in the first of GNU tar's formats.
func sparseLayer(size int64) nastyLayer {
	l := tarOf(1, func(int) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeReg, Name: "hole", Mode: 0o644, Format: tar.FormatGNU}
	})
	block := l.data[:512]
	block[156] = tar.TypeGNUSparse
	copy(block[386:], fmt.Sprintf("%011o\x00%011o\x00", size, 0)) // one piece, at the end, of nothing
	copy(block[483:], "\x80\x00\x00\x00\x00\x00\x00\x00")
	for i := range 4 {
		block[491+i] = byte(size >> (24 - 8*i))
	}
	for i := range 8 {
		block[483+i+4] = byte(size >> (56 - 8*i))
	}
	copy(block[148:156], "        ")
	sum := 0
	for _, c := range block {
		sum += int(c)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return plainLayer(l.data)
}

// windowLayer is a layer that makes its reader remember so many bytes.
func windowLayer(window int, name string) (nastyLayer, error) {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nastyLayer{}, fmt.Errorf("open zstd: %w", err)
	}
	sum := digest.SHA256.Digester()
	tw := tar.NewWriter(io.MultiWriter(z, sum.Hash()))
	err = tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(2 * window)})
	if err == nil {
		_, err = io.CopyN(tw, rand.NewChaCha8([32]byte{}), int64(2*window))
	}
	err = errors.Join(err, tw.Close(), z.Close())
	return nastyLayer{b.Bytes(), sum.Digest(), true}, err
}

// times is n times what each gives, with commas between.
func times(n int, each func(i int) string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(each(i))
	}
	return b.String()
}

const emptyConfig = `"config":{}`

// nastyImages is the table.
var nastyImages = []struct {
	name   string
	unpack string // what unpack says of it
	make   func(l nastyLayout) error
}{
	{"8 nested indexes of 1.4 million {}", "values, at most", func(l nastyLayout) error {
		return l.nested(times(1_390_000, func(int) string { return "{}" }))
	}},
	{"8 nested indexes as large as allowed", "an artifact of type", func(l nastyLayout) error {
		return l.nested(times(15_000, func(i int) string {
			return fmt.Sprintf(`{"mediaType":"a","digest":"%d","platform":{"os":"o%d"},"annotations":{"a":"","b":"","c":"%s"}}`, i, i, strings.Repeat("x", 100))
		}))
	}},
	{"20,000 platforms with long names", "19980 more", func(l nastyLayout) error {
		return l.index(times(20_000, func(i int) string {
			return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%064x","size":7,"platform":{"os":"%s","architecture":"a%d"}}`, v1.MediaTypeImageManifest, i, strings.Repeat("o", 150), i)
		}))
	}},
	{"300,000 volumes", "values, at most", func(l nastyLayout) error {
		return l.image(`"config":{"Volumes":{` + times(300_000, func(i int) string { return fmt.Sprintf(`"/%x":{}`, i) }) + `}}`)
	}},
	{"1,000 volumes, 5 deep", "and 999 more", func(l nastyLayout) error {
		return l.image(`"config":{"Volumes":{` + times(1000, func(i int) string { return fmt.Sprintf(`"/%d%s":{}`, i, strings.Repeat("/d", 5)) }) + `}}`)
	}},
	{"a history of 95,000 lines", "names no program", func(l nastyLayout) error {
		return l.image(emptyConfig + `,"history":[` + times(95_000, func(int) string { return "{}" }) + `]`)
	}},
	{"150,000 labels", "names no program", func(l nastyLayout) error {
		return l.image(`"config":{"Labels":{` + times(150_000, func(i int) string { return fmt.Sprintf(`"org.netbsd.%d":"x"`, i) }) + `}}`)
	}},
	{"a layer of 10 KB with a hole of 60 GB", "names no program", func(l nastyLayout) error { return l.image(emptyConfig, sparseLayer(60<<30)) }},
	{"5,000 entries with notes", "4999 more", func(l nastyLayout) error {
		return l.image(emptyConfig, tarOf(5_000, func(i int) *tar.Header {
			return &tar.Header{Typeflag: tar.TypeReg, Name: "f", PAXRecords: map[string]string{"SCHILY.fflags": fmt.Sprint("none", i), "SCHILY.xattr.trusted.overlay.x": "x", "SCHILY.xattr.odd": "x"}}
		}))
	}},
	{"20,000 long names in two layers", "names no program", func(l nastyLayout) error {
		many := func(kind string) nastyLayer {
			return tarOf(10_000, func(i int) *tar.Header {
				return &tar.Header{Typeflag: tar.TypeSymlink, Linkname: "x", Name: fmt.Sprintf("%s%d%s", kind, i, strings.Repeat("n", 240))}
			})
		}
		return l.image(emptyConfig, many("a"), many("b"))
	}},
	{"three zstd layers with windows of 32 MiB", "names no program", func(l nastyLayout) error {
		var layers []nastyLayer
		for _, name := range []string{"a", "b", "c"} {
			layer, err := windowLayer(32<<20, name)
			if err != nil {
				return err
			}
			layers = append(layers, layer)
		}
		return l.image(emptyConfig, layers...)
	}},
	{"1,024 layers", "names no program", func(l nastyLayout) error {
		var layers []nastyLayer
		for i := range 1024 {
			layers = append(layers, tarOf(1, func(int) *tar.Header { return &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i)} }))
		}
		return l.image(emptyConfig, layers...)
	}},
	{"extended headers of 900 KiB", "names no program", func(l nastyLayout) error {
		return l.image(emptyConfig, tarOf(40, func(i int) *tar.Header {
			return &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i), PAXRecords: map[string]string{"comment.x": strings.Repeat("x", 900<<10)}}
		}))
	}},
	{"an index.json of 8 MiB", "is missing", func(l nastyLayout) error {
		return l.index(times(20_000, func(i int) string {
			return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%064x","size":7,"annotations":{%q:"localhost/%s%d"}}`, v1.MediaTypeImageManifest, i, v1.AnnotationRefName, strings.Repeat("n", 150), i)
		}))
	}},
}

// makeNasty makes the layout of one row.
func makeNasty(dir string, fill func(nastyLayout) error) error {
	if err := os.MkdirAll(filepath.Join(dir, v1.ImageBlobsDir, "sha256"), 0o755); err != nil {
		return err
	}
	layout := `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`
	return errors.Join(os.WriteFile(filepath.Join(dir, v1.ImageLayoutFile), []byte(layout), 0o644), fill(nastyLayout{dir}))
}

// nastyCommands are what is done with each: the last argument is made anew.
func nastyCommands(image, layout, registry string) map[string]func(target string) []string {
	return map[string]func(string) []string{
		"unpack": func(target string) []string { return []string{image, "image", "unpack", "--no-sync", layout, target} },
		"import": func(target string) []string {
			return []string{image, "image", "import", "--all-platforms", "--store", target, layout, "x"}
		},
		"pull": func(target string) []string {
			return []string{image, "image", "pull", "--quiet", "--store", target, registry + "/x:x"}
		},
	}
}

// serve is a registry that has the layout's index as the tag x.
func serve(layout string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ref, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/x/"), "/")
		if r.URL.Path == "/v2/" {
			return
		}
		data, err := os.ReadFile(filepath.Join(layout, v1.ImageIndexFile))
		if d, bad := digest.Parse(ref); bad == nil && d != digest.FromBytes(data) {
			data, err = os.ReadFile(blobPath(layout, d))
		}
		if err != nil {
			http.NotFound(w, r)
			return
		}
		media := v1.MediaTypeImageManifest
		if bytes.Contains(data[:min(len(data), 200)], []byte(`"manifests"`)) {
			media = v1.MediaTypeImageIndex
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("Docker-Content-Digest", string(digest.FromBytes(data)))
		_, _ = w.Write(data)
	}))
}

// spent is what one command took.
type spent struct {
	name, command, said string
	wall, rss           float64 // seconds, MiB
	err                 error
}

// benchNasty measures every command on every image once.
func benchNasty(runcell, dir string, each func(spent)) error {
	for i, n := range nastyImages {
		layout := filepath.Join(dir, fmt.Sprint("nasty", i))
		if err := makeNasty(layout, n.make); err != nil {
			return fmt.Errorf("make %s: %w", n.name, err)
		}
		server := serve(layout)
		commands := nastyCommands(runcell+"-image", layout, strings.TrimPrefix(server.URL, "http://"))
		for _, name := range []string{"unpack", "import", "pull"} {
			// A refusal is no failure here.
			u := &unpacker{argv: func(target string) []string {
				return append([]string{"/bin/busybox", "sh", "-c", `"$@"; :`, "sh"}, commands[name](target)...)
			}}
			s := spent{name: n.name, command: name, err: u.round(filepath.Join(dir, "out"))}
			if s.err == nil {
				s.wall, s.rss, s.said = u.wall[0], u.peak[0], u.said
			}
			if name == "unpack" && s.err == nil && !strings.Contains(s.said, n.unpack) {
				s.err = fmt.Errorf("it says %.500q; want %q", s.said, n.unpack)
			}
			each(s)
		}
		server.Close()
		if err := os.RemoveAll(layout); err != nil {
			return err
		}
	}
	return nil
}

// printNasty writes a row a command.
func printNasty(out io.Writer, list []spent) {
	_, _ = fmt.Fprintf(out, "\nsmall inputs that want much: once each, load %s\n\n", load())
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\tcommand\twall s\tpeak RSS MiB")
	for _, s := range list {
		if s.err != nil {
			_, _ = fmt.Fprintf(t, "%s\t%s\tnot measured: %v\n", s.name, s.command, s.err)
			continue
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%.1f\t%.0f\n", s.name, s.command, s.wall, s.rss)
	}
	_ = t.Flush()
}
