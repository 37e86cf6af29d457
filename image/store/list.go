package store

// What is in the store, for people and programs.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Listed is an image in the index.
type Listed struct {
	Name      string        `json:"name"` // full; empty if it has none
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	// Platforms are those whose images are here.
	Platforms []v1.Platform `json:"platforms"`
	Created   *time.Time    `json:"created,omitempty"` // of the first platform
	Size      int64         `json:"size"`              // bytes of all blobs that are here, shared ones included
	// Error says why the rest could not be read.
	Error string `json:"error,omitempty"`
}

// Names gives the full names in the store in a directory, sorted, as they are at
// this moment. It waits for nobody and makes nothing: index.json is there whole at
// any time.
func Names(path string) ([]string, error) {
	root, err := layout.Directory(path)
	if err != nil {
		return nil, fmt.Errorf("open image store %s: %w", path, err)
	}
	l, err := layout.InRoot(root, path)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s := &Store{Dir: path, root: root, Layout: l}
	x, err := s.readIndex()
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	var names []string
	for _, d := range x.Manifests {
		if name := d.Annotations[v1.AnnotationRefName]; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// List lists the images by name. One that can't be read has an Error.
func (s *Store) List() ([]Listed, error) {
	x, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	list := []Listed{}
	for _, d := range x.Manifests {
		l := Listed{Name: d.Annotations[v1.AnnotationRefName], Digest: d.Digest, MediaType: d.MediaType, Platforms: []v1.Platform{}}
		if err := s.describe(&l, d); err != nil {
			l.Error = err.Error()
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b Listed) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// describe adds what d leads to, as far as it is here. What can't be read does not
// keep the rest from being added.
func (s *Store) describe(l *Listed, d v1.Descriptor) error {
	var errs error
	enter := func(n *manifest.Node, err error) (next []v1.Descriptor, _ error) {
		if err == nil {
			next, err = s.describeOne(l, n)
		}
		errs = errors.Join(errs, err)
		return next, nil
	}
	return errors.Join((&manifest.Walk{Enter: enter}).From(d), errs)
}

// describeOne adds one document or layer.
func (s *Store) describeOne(l *Listed, n *manifest.Node) ([]v1.Descriptor, error) {
	there, err := s.has(n.Descriptor)
	if err != nil {
		return nil, err
	}
	if !there {
		if n.Parent == nil {
			return nil, fmt.Errorf("blob %s is missing", n.Digest)
		}
		return nil, nil
	}
	if !n.Again {
		l.Size += n.Size
	}
	if !manifest.IsConfig(n.MediaType) {
		return s.Children(n.Descriptor)
	}
	cfg, err := s.config(n.Descriptor)
	if err != nil {
		return nil, err
	}
	if l.Platforms = append(l.Platforms, cfg.Platform); len(l.Platforms) == 1 {
		l.Created = cfg.Created
	}
	return nil, nil
}

// config reads a config.
func (s *Store) config(d v1.Descriptor) (*v1.Image, error) {
	data, err := s.ReadBlob(d)
	if err != nil {
		return nil, err
	}
	cfg, err := manifest.ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("parse config %s: %w", d.Digest, err)
	}
	return cfg, nil
}

// Inspected is all that is known about one image.
type Inspected struct {
	Name      string           `json:"name"`
	Digest    digest.Digest    `json:"digest"`
	MediaType string           `json:"mediaType"`
	Size      int64            `json:"size"` // bytes of manifest, config and layers
	Config    v1.Image         `json:"config"`
	Layers    []InspectedLayer `json:"layers"`
}

// InspectedLayer is a layer's descriptor and the digest of its content.
type InspectedLayer struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	DiffID    digest.Digest `json:"diffID"`
	Size      int64         `json:"size"`
}

// Inspect describes the image of a name and platform.
func (s *Store) Inspect(name string, want manifest.Want) (*Inspected, error) {
	img, full, _, err := s.find(name, want)
	if err != nil {
		return nil, err
	}
	i := &Inspected{
		Name: full, Digest: img.Descriptor.Digest, MediaType: img.Descriptor.MediaType,
		Size: img.Descriptor.Size, Config: img.Config, Layers: []InspectedLayer{},
	}
	next, err := s.Children(img.Descriptor)
	if err != nil {
		return nil, err
	}
	for _, d := range next {
		i.Size += d.Size
	}
	for _, l := range img.Layers {
		i.Layers = append(i.Layers, InspectedLayer{l.MediaType, l.Digest, l.DiffID, l.Size})
	}
	return i, nil
}

// Problem is a blob that is not what it should be.
type Problem struct {
	Image  string        `json:"image,omitempty"` // empty: no image needs the blob
	Digest digest.Digest `json:"digest"`
	Reason string        `json:"reason"`
	// Removed tells that the damaged blob was taken out of the store.
	Removed bool `json:"removed,omitempty"`
}

// VerifyOptions say what to verify.
type VerifyOptions struct {
	All bool // every blob in the store, needed or not
	// Repair removes damaged blobs, so that the next pull or import brings
	// them again.
	Repair   bool
	Progress func(done, total int64)
}

// Verified says what was read.
type Verified struct {
	Blobs    int       `json:"blobs"`
	Size     int64     `json:"size"`
	Problems []Problem `json:"problems"`
}

// Verify reads everything that the image of a name (every image with "")
// leads to and compares sizes, digests and the documents' structure.
func (s *Store) Verify(ctx context.Context, name string, o VerifyOptions) (*Verified, error) {
	v := &verifier{store: s, o: o, ctx: ctx, res: &Verified{Problems: []Problem{}}}
	v.walk.Enter = v.enter
	var roots []v1.Descriptor
	if name != "" {
		_, found, err := s.Lookup(name)
		if err != nil {
			return nil, err
		}
		roots = found
	} else {
		x, err := s.readIndex()
		if err != nil {
			return nil, err
		}
		roots = x.Manifests
	}
	for _, d := range roots {
		if v.image = d.Annotations[v1.AnnotationRefName]; v.image == "" {
			v.image = string(d.Digest)
		}
		if err := v.walk.From(d); err != nil {
			return nil, err
		}
	}
	if o.All {
		if err := v.rest(); err != nil {
			return nil, err
		}
	}
	return v.res, nil
}

type verifier struct {
	store *Store
	o     VerifyOptions
	ctx   context.Context
	walk  manifest.Walk
	image string // that is walked through
	res   *Verified
}

// enter verifies a node and gives what it leads to. Of an index it demands only
// the platforms that are here.
func (v *verifier) enter(n *manifest.Node, nesting error) ([]v1.Descriptor, error) {
	err := v.hash(n.Descriptor)
	if errors.Is(err, fs.ErrNotExist) && n.Parent != nil && manifest.IsIndex(n.Parent.MediaType) {
		return nil, nil
	}
	if err == nil {
		err = nesting
	}
	var next []v1.Descriptor
	if err == nil && manifest.IsConfig(n.MediaType) {
		_, err = v.store.config(n.Descriptor)
	} else if err == nil {
		next, err = v.store.Children(n.Descriptor)
	}
	if err != nil {
		return nil, v.problem(v.image, n.Digest, err)
	}
	return next, nil
}

// hash reads a blob to its end.
func (v *verifier) hash(d v1.Descriptor) error {
	if d.Size < 0 {
		return fmt.Errorf("size %d", d.Size)
	}
	f, err := v.store.OpenBlob(d)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := verify.NewReader(stream.WithContext{Ctx: v.ctx, R: f}, d)
	if err != nil {
		return err
	}
	v.res.Blobs++
	buf := make([]byte, stream.AheadSize)
	for {
		n, err := r.Read(buf)
		v.res.Size += int64(n)
		if v.o.Progress != nil {
			v.o.Progress(v.res.Size, 0)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// problem notes an error, unless it is that of an interrupt.
func (v *verifier) problem(image string, d digest.Digest, err error) error {
	if v.ctx.Err() != nil {
		return context.Cause(v.ctx)
	}
	p := Problem{Image: image, Digest: d, Reason: err.Error()}
	if v.o.Repair && errors.Is(err, verify.ErrMismatch) {
		if err := v.store.remove(verify.BlobName(d)); err != nil {
			return err
		}
		p.Removed = true
	}
	v.res.Problems = append(v.res.Problems, p)
	return nil
}

// rest verifies the blobs that no image needs.
func (v *verifier) rest() error {
	blobs, err := v.store.blobs()
	if err != nil {
		return err
	}
	for _, b := range blobs {
		if v.walk.Seen(b.digest) {
			continue
		}
		if b.digest == "" {
			if err := v.problem("", digest.Digest(b.name), errors.New("its name is no digest")); err != nil {
				return err
			}
			continue
		}
		err := v.hash(v1.Descriptor{Digest: b.digest, Size: b.size})
		if errors.Is(err, os.ErrNotExist) {
			continue // repaired meanwhile
		}
		if err != nil {
			if err := v.problem("", b.digest, err); err != nil {
				return err
			}
		}
	}
	return nil
}
