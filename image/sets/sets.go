// Package sets turns NetBSD's release sets (base.tar.xz, etc.tar.xz and so on, see
// release(7)) into an image, a layer for each or one of all. The same sets and
// options give the same bytes.
//
// Nothing is unpacked on the way: entries go from the sets' archives into those of
// the layers. It does not fetch sets, and knows where they are from only by the
// checksums that it is given.
package sets

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/archive"
	"github.com/netbsd-cells/runcell/image/internal/compress"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options say how to make an image out of sets.
type Options struct {
	Platform    v1.Platform       // the OS is netbsd; OSVersion may be set
	Compression image.Compression // empty: gzip
	Squash      bool              // one layer for all sets, not one for each
	Store       string            // where names are put; "": every name is a place
	// Epoch, if not nil, is given to every entry that is newer, and is the
	// image's time. Otherwise that is the newest entry's.
	Epoch  *time.Time
	Author string
	Config v1.ImageConfig
	// Sums, if not empty, is a file that has the sets' SHA512, as NetBSD
	// publishes it beside them.
	Sums   string
	Limits *image.Limits // nil: image.DefaultLimits
	// Progress, if not nil, is told of compressed bytes read, of all sets.
	Progress func(done, total int64)
}

// FromSets makes an image called name (see pack.Create) out of sets, tar archives
// that may be compressed with xz or gzip. Later sets are put above earlier ones. A
// set that is not what its checksum says wraps verify.ErrMismatch; on any error
// there is no new image.
func FromSets(ctx context.Context, sets []string, name string, o Options) (_ *pack.Result, err error) {
	if len(sets) == 0 {
		return nil, errors.New("make an image of sets: no set was given")
	}
	if o.Compression == "" {
		o.Compression = image.Gzip
	}
	if o.Limits == nil {
		limits := image.DefaultLimits()
		o.Limits = &limits
	}
	if err := bundle.CheckConfig(&o.Config); err != nil {
		return nil, err
	}
	s := &setReader{ctx: ctx, o: o, budget: &layer.Budget{Limits: *o.Limits}}
	if s.sums, err = readSums(o.Sums, sets); err != nil {
		return nil, err
	}
	if s.total, err = sizes(sets); err != nil {
		return nil, err
	}
	out, full, err := pack.Create(ctx, name, pack.Target{Store: o.Store})
	if err != nil {
		return nil, fmt.Errorf("make image %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	res, err := s.make(out, sets)
	if err != nil {
		return nil, fmt.Errorf("make image %s: %w", full, err)
	}
	return res, nil
}

// sizes gives the sum of the files' sizes, in bytes.
func sizes(files []string) (total int64, err error) {
	for _, f := range files {
		fi, err := os.Stat(f) //nolint:forbidigo // the operator's own path
		if err != nil {
			return 0, err
		}
		if !fi.Mode().IsRegular() {
			return 0, fmt.Errorf("%s is no regular file", f)
		}
		total += fi.Size()
	}
	return total, nil
}

// setReader turns sets into layers.
type setReader struct {
	ctx    context.Context
	o      Options
	budget *layer.Budget
	sums   map[string]string // SHA512 in hex, by the set's base name
	done   int64
	total  int64
	newest time.Time
}

// make writes the image.
func (s *setReader) make(out *pack.Writer, sets []string) (*pack.Result, error) {
	groups := [][]string{sets}
	if !s.o.Squash {
		groups = nil
		for _, set := range sets {
			groups = append(groups, []string{set})
		}
	}
	var layers []pack.Layer
	for _, group := range groups {
		l, err := out.Layer(s.o.Compression, func(w io.Writer) (*layer.Packed, error) { return s.layer(w, group) })
		if err != nil {
			return nil, err
		}
		if l == nil {
			return nil, fmt.Errorf("%s is empty", strings.Join(group, ", "))
		}
		var names []string
		for _, set := range group {
			names = append(names, path.Base(set))
		}
		l.By = "runcell image from-sets " + strings.Join(names, " ")
		layers = append(layers, *l)
	}
	created := pack.Newest(s.newest)
	if s.o.Epoch != nil {
		created = pack.WholeSeconds(s.o.Epoch)
	}
	cfg := v1.Image{Created: created, Author: s.o.Author, Platform: s.o.Platform, Config: s.o.Config}
	if len(cfg.Config.Entrypoint)+len(cfg.Config.Cmd) == 0 {
		cfg.Config.Cmd = []string{"/bin/sh"}
	}
	return out.Finish(s.ctx, cfg, layers, "")
}

// layer writes sets as one tar archive.
func (s *setReader) layer(w io.Writer, sets []string) (*layer.Packed, error) {
	bw := bufio.NewWriterSize(w, stream.AheadSize)
	l := &setLayer{setReader: s, tw: tar.NewWriter(bw), seen: map[string]seenEntry{}, buf: make([]byte, stream.AheadSize)}
	for _, set := range sets {
		l.set = path.Base(set)
		if err := l.add(set); err != nil {
			return nil, fmt.Errorf("set %s: %w", set, err)
		}
	}
	return &layer.Packed{Entries: l.entries, Notes: l.notes.List}, errors.Join(l.tw.Close(), bw.Flush())
}

// setLayer is one layer being made.
type setLayer struct {
	*setReader
	tw      *tar.Writer
	set     string // its name
	seen    map[string]seenEntry
	entries int64
	notes   image.Notes
	buf     []byte
}

type seenEntry struct {
	set  string
	flag byte
}

// add adds a set.
func (l *setLayer) add(name string) (err error) {
	f, err := os.Open(name) //nolint:forbidigo // the operator's own path
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha512.New()
	raw := bufio.NewReaderSize(io.TeeReader(&stream.Counter{Reader: stream.WithContext{Ctx: l.ctx, R: f}, Seen: func(n int) {
		if l.done += int64(n); l.o.Progress != nil {
			l.o.Progress(l.done, l.total)
		}
	}}, sum), 1<<20)
	plain, err := compress.OpenSet(raw)
	if err != nil {
		return err
	}
	if err := l.archive(plain); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { // checksums at the end
		return err
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return err
	}
	return l.check(sum)
}

// check compares a set's checksum.
func (l *setLayer) check(sum hash.Hash) error {
	if l.sums == nil {
		return nil
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.sums[l.set] {
		return fmt.Errorf("its SHA512 is %s, %s says %s: %w", got, l.o.Sums, l.sums[l.set], verify.ErrMismatch)
	}
	return nil
}

// archive copies the entries of a set's archive.
func (l *setLayer) archive(r io.Reader) error {
	return archive.Entries(sized{r, l.budget}, func(hdr *tar.Header, content io.Reader) error {
		if err := l.entry(hdr, content); err != nil {
			return fmt.Errorf("entry %s: %w", image.Quote(hdr.Name), err)
		}
		return nil
	})
}

// sized counts what comes out of a decompressor.
type sized struct {
	r      io.Reader
	budget *layer.Budget
}

func (s sized) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if e := s.budget.TakeSize(int64(n)); e != nil {
		return 0, e
	}
	return n, err
}

// entry writes an entry as Pack would have: no names of users, no times but
// the modification time.
func (l *setLayer) entry(hdr *tar.Header, r io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if err := l.budget.TakeEntry(); err != nil {
		return err
	}
	name, err := l.name(hdr.Name)
	if err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
	case tar.TypeLink:
		if hdr.Linkname, err = l.name(hdr.Linkname); err != nil {
			return fmt.Errorf("link target: %w", err)
		}
		if to, ok := l.seen[hdr.Linkname]; !ok || to.flag == tar.TypeDir {
			return fmt.Errorf("a hard link to %s, which is no file before it", image.Quote(hdr.Linkname))
		}
	default:
		return fmt.Errorf("a %s: sets have none", layer.TypeName(hdr.Typeflag))
	}
	if before, dup := l.seen[name]; dup {
		if before.flag == tar.TypeDir && hdr.Typeflag == tar.TypeDir {
			return nil // most sets have the directories above their files
		}
		return fmt.Errorf("%s has it, too", before.set)
	}
	l.seen[name] = seenEntry{l.set, hdr.Typeflag}
	return l.write(hdr, name, r)
}

// name gives an entry's name in the layer.
func (l *setLayer) name(name string) (string, error) {
	names, err := image.Components(name, l.o.Limits.MaxPath)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, layer.Whiteout) }) {
		return "", fmt.Errorf("names that start with %s mean whiteouts in a layer", layer.Whiteout)
	}
	if len(names) == 0 {
		return ".", nil
	}
	return strings.Join(names, "/"), nil
}

func (l *setLayer) write(hdr *tar.Header, name string, r io.Reader) error {
	t := hdr.ModTime
	if l.o.Epoch != nil && t.After(*l.o.Epoch) {
		t = *l.o.Epoch
	}
	if t.After(l.newest) {
		l.newest = t
	}
	out := &tar.Header{
		Typeflag: hdr.Typeflag, Name: name, Linkname: hdr.Linkname, Mode: hdr.Mode & 0o7777,
		ModTime: t, Devmajor: hdr.Devmajor, Devminor: hdr.Devminor, Format: tar.FormatPAX,
	}
	uid, gid, err := layer.OwnerOf(hdr)
	if err != nil {
		return err
	}
	if err := layer.SetOwner(out, uid, gid); err != nil {
		return err
	}
	if flags := hdr.PAXRecords[layer.PaxFlags]; flags != "" {
		out.PAXRecords = map[string]string{layer.PaxFlags: flags}
	}
	switch hdr.Typeflag {
	case tar.TypeDir:
		out.Name += "/"
	case tar.TypeReg:
		out.Size = hdr.Size
	}
	l.entries++
	if err := l.tw.WriteHeader(out); err != nil {
		return err
	}
	if out.Size == 0 {
		return nil
	}
	_, err = io.CopyBuffer(stream.OnlyWriter{Writer: l.tw}, stream.OnlyReader{Reader: r}, l.buf)
	return err
}

// readSums reads a file of checksums in BSD's form, "SHA512 (base.tar.xz) =
// HEX", and demands one for every set.
func readSums(file string, sets []string) (map[string]string, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // no checksums is no error
	}
	f, err := os.Open(file) //nolint:forbidigo // the operator's own path
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, image.MaxJSON))
	if err != nil {
		return nil, err
	}
	sums := parseSums(string(data))
	for _, set := range sets {
		if sums[path.Base(set)] == "" {
			return nil, fmt.Errorf("%s has no SHA512 of %s", file, path.Base(set))
		}
	}
	return sums, nil
}

func parseSums(text string) map[string]string {
	sums := map[string]string{}
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(strings.TrimSpace(line), "SHA512 (")
		name, sum, split := strings.Cut(rest, ") = ")
		if raw, err := hex.DecodeString(sum); found && split && err == nil && len(raw) == sha512.Size {
			sums[name] = strings.ToLower(sum)
		}
	}
	return sums
}

// Platform is the platform of an architecture as NetBSD or Go spells it:
// amd64, i386, evbarm-aarch64, evbarm-earmv7hf and so on.
func Platform(arch string) (v1.Platform, error) {
	name := strings.TrimPrefix(arch, "evbarm-")
	p, err := manifest.ParsePlatform("netbsd/" + name)
	if err != nil || strings.Contains(name, "/") {
		return p, fmt.Errorf("architecture %s: want amd64, i386, evbarm-aarch64 or another name of NetBSD's or Go's", image.Quote(arch))
	}
	return p, nil
}
