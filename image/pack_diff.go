// Packing what differs from an image, and telling what differs.

package image

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// packOn packs what differs from the image o.Base as a layer on top of it.
func (out imageWriter) packOn(ctx context.Context, rootfs string, o PackOptions) (_ *PackResult, err error) {
	limits := DefaultLimits()
	base, _, closeBase, err := openImage(ctx, o.Base, o.Store, limits, o.Platform)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	defer func() { err = errors.Join(err, closeBase()) }()
	cfg := base.Config
	cfg.Created = o.created()
	if o.Author != "" {
		cfg.Author = o.Author
	}
	override(&cfg.Config, &o.Config)
	var layers []newLayer
	for _, l := range base.Layers {
		if err := out.copyBlob(ctx, layoutSource{base.layout}, l.Descriptor); err != nil {
			return nil, err
		}
		layers = append(layers, newLayer{Descriptor: v1.Descriptor{MediaType: layerType(l.compression), Digest: l.Digest, Size: l.Size}, diffID: l.DiffID})
	}
	err = withUnpacked(ctx, base, o.Store, false, func(from original) error {
		l, err := out.layer(o.Compression, func(w io.Writer) (*written, error) { return packDiff(ctx, from, rootfs, w, o.stamps()) })
		if l != nil {
			layers = append(layers, *l)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.finish(ctx, cfg, layers, "runcell image pack --base")
}

// override replaces the fields of c that with sets; variables, labels, ports
// and volumes are added.
func override(c, with *v1.ImageConfig) {
	for _, f := range []struct {
		to   *string
		from string
	}{{&c.User, with.User}, {&c.WorkingDir, with.WorkingDir}, {&c.StopSignal, with.StopSignal}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if len(with.Entrypoint) > 0 { // a Cmd of the base is for its own entry point
		c.Entrypoint, c.Cmd = with.Entrypoint, nil
	}
	if len(with.Cmd) > 0 {
		c.Cmd = with.Cmd
	}
	c.Env = append(slices.DeleteFunc(slices.Clone(c.Env), func(e string) bool {
		return slices.ContainsFunc(with.Env, func(w string) bool { return envName(w) == envName(e) })
	}), with.Env...)
	c.Labels = merged(c.Labels, with.Labels)
	c.ExposedPorts = merged(c.ExposedPorts, with.ExposedPorts)
	c.Volumes = merged(c.Volumes, with.Volumes)
}

func envName(e string) string {
	for i := range len(e) {
		if e[i] == '=' {
			return e[:i]
		}
	}
	return e
}

func merged[V any](a, b map[string]V) map[string]V {
	if len(b) == 0 {
		return a
	}
	all := map[string]V{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// original is a fresh copy of an image's root file system. What would keep it
// from being removed is only written down.
type original struct {
	rootfs string
	flags  map[inode]uint32 // file flags
}

// withUnpacked runs f on a copy with the mount points of MakeBundle or without:
// the layers are verified again, so nothing that was changed meanwhile counts.
func withUnpacked(ctx context.Context, img *StoredImage, storeDir string, points bool, f func(original) error) (err error) {
	temp, err := os.MkdirTemp(tempParent(storeDir), tempStart)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp)) }()
	b, err := newBundle(filepath.Join(temp, "b")) //nolint:forbidigo // made just now
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(true)) }()
	flags := map[inode]uint32{}
	if _, _, err := unpackImage(ctx, img, b.dir, UnpackOptions{flags: flags}.withDefaults()); err != nil {
		return err
	}
	if points {
		if err := makeMountPoints(b.dir); err != nil {
			return err
		}
	}
	return f(original{b.path + "/" + rootfsName, flags})
}

// packDiff writes the difference as a tar archive with whiteouts.
func packDiff(ctx context.Context, from original, to string, w io.Writer, o stamps) (*written, error) {
	bw := bufio.NewWriterSize(w, aheadSize)
	p := &packer{ctx: ctx, tw: tar.NewWriter(bw), o: o, links: map[inode]string{}, buf: make([]byte, aheadSize)}
	d := &differ{ctx: ctx}
	d.added = func(name, _ string, _ *unix.Stat_t) error { return p.on(d.new).child(name) }
	d.changed = func(name, path string, st *unix.Stat_t, _ []string) error {
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			path += "/"
		}
		if err := p.on(d.new).header(name, path, st); err != nil {
			return fmt.Errorf("pack %s: %w", quote(path), err)
		}
		return nil
	}
	d.removed = func(name, path string, _ *unix.Stat_t) error {
		return p.write(&tar.Header{
			Typeflag: tar.TypeReg, Name: path[:len(path)-len(name)] + whiteout + name, Mode: 0o644, Format: tar.FormatPAX,
			ModTime: p.mtime(&unix.Stat_t{}),
		}, nil)
	}
	err := d.run(from, to)
	if err == nil {
		err = errors.Join(p.tw.Close(), bw.Flush())
	}
	if err != nil {
		return nil, err
	}
	return &written{p.entries, p.notes.list}, nil
}

// on sets the tree that names are looked up in.
func (p *packer) on(t *tree) *packer {
	if p.tree = t; p.dev == 0 {
		var st unix.Stat_t
		if unix.Fstat(t.stack[0].fd, &st) == nil {
			p.dev = uint64(st.Dev)
		}
	}
	return p
}

// Change is something that differs between a root file system and its image.
type Change struct {
	Kind string   `json:"kind"` // added, removed or changed
	Path string   `json:"path"` // absolute in the root file system
	What []string `json:"what,omitempty"`
}

// The kinds of Change.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// DiffOptions say what to compare with.
type DiffOptions struct {
	Image    string      // instead of the one that image.json names
	Store    string      // where Image is looked up
	Platform v1.Platform // of Image; zero: the host's
}

// Diff tells what changed in a bundle's root file system against the image
// that it was made of. The image is read from its layers again, and verified.
func Diff(ctx context.Context, bundle string, o DiffOptions) (list []Change, err error) {
	fail := func(err error) ([]Change, error) { return nil, fmt.Errorf("diff %s: %w", bundle, err) }
	rootfs, err := bundleRootfs(bundle)
	if err != nil {
		return fail(err)
	}
	img, origin, closeImage, err := originImage(ctx, bundle, o)
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, closeImage()) }()
	note := func(kind string) func(string, string, *unix.Stat_t) error {
		return func(_, path string, _ *unix.Stat_t) error {
			list = append(list, Change{Kind: kind, Path: "/" + path})
			return nil
		}
	}
	d := &differ{ctx: ctx, added: note(Added), removed: note(Removed)}
	d.changed = func(_, path string, _ *unix.Stat_t, what []string) error {
		list = append(list, Change{Changed, filepath.Clean("/" + path), what})
		return nil
	}
	store := origin.Store
	if o.Store != "" {
		store = o.Store
	}
	err = withUnpacked(ctx, img, store, origin.Rootfs != "", func(from original) error { return d.run(from, rootfs) })
	if err != nil {
		return fail(err)
	}
	return list, nil
}

// bundleRootfs gives the root file system that config.json names.
func bundleRootfs(bundle string) (string, error) {
	f, err := os.Open(bundle + "/" + configName) //nolint:forbidigo // the operator's own path
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON))
	var spec specs.Spec
	if err == nil {
		err = json.Unmarshal(data, &spec)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	case spec.Root == nil || spec.Root.Path == "":
		return "", fmt.Errorf("%s: root.path is missing", f.Name())
	case filepath.IsAbs(spec.Root.Path):
		return spec.Root.Path, nil
	}
	return bundle + "/" + spec.Root.Path, nil
}

// originImage opens the image of a bundle.
func originImage(ctx context.Context, bundle string, o DiffOptions) (*StoredImage, *Origin, func() error, error) {
	origin, err := ReadOrigin(bundle)
	if o.Image != "" {
		if err != nil {
			origin = &Origin{}
		}
		img, _, closeImage, err := openImage(ctx, o.Image, o.Store, DefaultLimits(), o.withPlatform())
		return img, origin, closeImage, err
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: name the image with --image", err)
	}
	if err := checkDigest(origin.Manifest); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", originName, err)
	}
	layout, closer, err := openOrigin(ctx, origin)
	if err != nil {
		return nil, nil, nil, err
	}
	img, err := layout.byDigest(origin.Manifest)
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("%s: %w", origin.Image, err), closer())
	}
	return img, origin, closer, nil
}

func (o DiffOptions) withPlatform() v1.Platform {
	if o.Platform.OS == "" {
		return HostPlatform()
	}
	return o.Platform
}

// openOrigin opens the layout that a bundle's image came from.
func openOrigin(ctx context.Context, o *Origin) (*Layout, func() error, error) {
	if o.Store != "" {
		s, err := OpenStore(ctx, o.Store, false)
		if err != nil {
			return nil, nil, err
		}
		return s.Layout, s.Close, nil
	}
	ref, err := ParseReference(o.Image)
	if err != nil {
		return nil, nil, err
	}
	l, _, err := Open(ref, DefaultLimits())
	if err != nil {
		return nil, nil, err
	}
	return l, l.Close, nil
}

// byDigest opens an image that need not have a name any more.
func (l *Layout) byDigest(d digest.Digest) (*StoredImage, error) {
	f, size, err := l.files.open(blobName(d))
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	desc := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: size}
	data, err := l.readBlob(desc)
	if err != nil {
		return nil, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", d, err)
	}
	if m.MediaType == mediaDockerManifest {
		desc.MediaType = m.MediaType
	}
	c := chooser{docs: l, seen: map[digest.Digest]bool{}}
	cfg, err := c.config(m.Config)
	if err != nil {
		return nil, err
	}
	return l.choose([]v1.Descriptor{desc}, cfg.Platform)
}
