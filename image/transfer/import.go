package transfer

// From layouts and archives into the store.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/dockerarchive"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// containerdName is the annotation in which docker and containerd keep a full
// name; they put only the tag into AnnotationRefName.
const containerdName = "io.containerd.image.name"

// namedRoots are the images of one name in a source.
type namedRoots struct {
	name  string // full
	roots []v1.Descriptor
}

// Import copies images out of oci:DIR[:REF], oci-archive:FILE[:REF], a path
// of either, or docker-archive:FILE[:REF]. name is what the image is called
// in the store; without it all images keep the names that the source has. A name
// of this machine (localhost/...) that the source has, and another image here,
// wraps store.ErrTaken.
func Import(ctx context.Context, s *store.Store, from, name string, o CopyOptions) (list []Copied, err error) {
	fail := func(err error) ([]Copied, error) { return nil, fmt.Errorf("import %s: %w", from, err) }
	ref, err := reference.ParsePlace(from)
	if err != nil {
		return nil, err
	}
	full := ""
	if name != "" {
		n, err := reference.Local(name)
		if err != nil {
			return nil, err
		}
		full = n.String()
	}
	if err := s.Sweep(ctx); err != nil {
		return fail(err)
	}
	var src image.Source
	var where signatures
	var images []namedRoots
	var closer io.Closer
	if ref.Transport == reference.DockerArchive {
		src, closer, images, err = dockerImages(ctx, ref, full, o.want().Limits)
	} else {
		src, closer, images, err = layoutImages(ctx, ref, full, o.want().Limits)
		where, _ = src.(signatures)
	}
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	if list, err = copyAll(ctx, s, src, where, images, full != "", o); err != nil {
		return fail(err)
	}
	return list, nil
}

// copyAll copies images and names all of them at once: each change of the index
// is written to the disk. A name that the source chose takes nobody's place on
// this machine, unless that is asked for.
func copyAll(ctx context.Context, s *store.Store, from image.Source, where signatures, images []namedRoots, ours bool, o CopyOptions) (list []Copied, err error) {
	var names []store.Named
	for _, img := range images {
		res, roots, err := copyImage(ctx, s, remember(s, from), where, img.roots, img.name, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", img.name, err)
		}
		keep := !ours && !o.Replace && strings.HasPrefix(img.name, reference.LocalRegistry+"/")
		names, list = append(names, store.Named{Name: img.name, Images: roots, Keep: keep}), append(list, *res)
	}
	if err = s.Name(ctx, names...); errors.Is(err, store.ErrTaken) {
		err = fmt.Errorf("%w: give the image a name after the source, or --replace", err)
	}
	return list, err
}

func layoutImages(ctx context.Context, ref reference.Place, full string, limits image.Limits) (image.Source, io.Closer, []namedRoots, error) {
	l, ref, err := layout.Open(ctx, ref, limits)
	if err != nil {
		return nil, nil, nil, err
	}
	images, err := layoutRoots(l, ref.Ref, full)
	if err != nil {
		return nil, nil, nil, errors.Join(err, l.Close())
	}
	return layoutSource{layout.Source{Layout: l}}, l, images, nil
}

// layoutSource is a layout as a source of images and of their signatures.
type layoutSource struct{ layout.Source }

// maxArtifacts is how many entries of a layout are looked at for signatures.
const maxArtifacts = 64

// Signatures implements signatures, with the entries that lie beside the images.
func (l layoutSource) Signatures(_ context.Context, _ digest.Digest, found func(trust.Signature) bool) error {
	data, err := l.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return err
	}
	x, err := manifest.ParseIndex(data, "")
	if err != nil {
		return err
	}
	left := maxArtifacts
	for _, d := range x.Manifests {
		if !trust.IsSignature(d) || !manifest.IsManifest(d.MediaType) || left == 0 {
			continue
		}
		left--
		if done, err := l.artifact(d, found); done || err != nil {
			return err
		}
	}
	return nil
}

func (l layoutSource) artifact(d v1.Descriptor, found func(trust.Signature) bool) (bool, error) {
	data, err := l.ReadBlob(d)
	if err != nil {
		return false, err
	}
	m, err := manifest.ParseManifest(data, d.MediaType)
	if err != nil {
		return false, err
	}
	list, err := trust.Candidates(m)
	if err != nil {
		return false, err
	}
	for _, c := range list {
		payload, err := l.ReadBlob(c.Payload)
		if err != nil {
			return false, err
		}
		if found(c.With(payload)) {
			return true, nil
		}
	}
	return false, nil
}

// layoutRoots groups the index's descriptors by the names that they get.
func layoutRoots(l *layout.Layout, ref, full string) ([]namedRoots, error) {
	data, err := l.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	x, err := manifest.ParseIndex(data, "")
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", v1.ImageIndexFile, err)
	}
	if ref == "" { // signatures lie beside images, and come with those
		x.Manifests = slices.DeleteFunc(x.Manifests, trust.IsSignature)
	}
	roots, err := manifest.Named(x.Manifests, ref)
	if err != nil {
		return nil, err
	}
	if len(roots) == 0 {
		return nil, errors.New("the index is empty")
	}
	var list []namedRoots
	for _, d := range roots {
		name, err := full, error(nil)
		if name == "" {
			name, err = nameOf(d)
		} else if own := d.Annotations[v1.AnnotationRefName]; own != roots[0].Annotations[v1.AnnotationRefName] {
			err = fmt.Errorf("it holds several images, among them %s and %s: add one of these names after a colon, or leave the new name out",
				image.Quote(roots[0].Annotations[v1.AnnotationRefName]), image.Quote(own))
		}
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(n namedRoots) bool { return n.name == name })
		if i < 0 {
			list = append(list, namedRoots{name: name})
			i = len(list) - 1
		}
		// What else a stranger says about it is not for our index.
		d.Annotations = map[string]string{v1.AnnotationRefName: d.Annotations[v1.AnnotationRefName]}
		list[i].roots = append(list[i].roots, d)
	}
	return list, nil
}

// nameOf takes over the name that a layout gives an image. A bare tag is no
// name.
func nameOf(d v1.Descriptor) (string, error) {
	name := d.Annotations[containerdName]
	if name == "" {
		name = d.Annotations[v1.AnnotationRefName]
	}
	if !strings.ContainsAny(name, "/:") {
		return "", fmt.Errorf("the image is called %s there, which is no full name: give it one after the source", image.Quote(name))
	}
	n, err := reference.Local(name)
	return n.String(), err
}

func dockerImages(ctx context.Context, ref reference.Place, full string, limits image.Limits) (image.Source, io.Closer, []namedRoots, error) {
	a, err := dockerarchive.Open(ctx, ref.Path, limits)
	if err != nil {
		return nil, nil, nil, err
	}
	images, err := dockerRoots(ctx, a, ref.Ref, full)
	if err != nil {
		return nil, nil, nil, errors.Join(err, a.Close())
	}
	return a, a, images, nil
}

func dockerRoots(ctx context.Context, a *dockerarchive.Archive, ref, full string) (list []namedRoots, err error) {
	wanted := ""
	if ref != "" {
		n, _, err := reference.ParseName(ref)
		if err != nil {
			return nil, err
		}
		wanted = n.String()
	}
	for _, img := range a.Images {
		var names []string
		for _, tag := range img.RepoTags {
			n, _, err := reference.ParseName(tag)
			if err != nil {
				return nil, err
			}
			if wanted == "" || wanted == n.String() {
				names = append(names, n.String())
			}
		}
		if wanted != "" && len(names) == 0 {
			continue
		}
		if full != "" {
			names = []string{full}
			if len(list) > 0 {
				return nil, errors.New("it holds several images: add the name of one after a colon, or leave the new name out")
			}
		}
		if len(names) == 0 {
			return nil, errors.New("an image has no name there: give it one after the source")
		}
		root, err := a.Convert(ctx, img)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			list = append(list, namedRoots{n, []v1.Descriptor{root}})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no image is named %s there", image.Quote(ref))
	}
	return list, nil
}
