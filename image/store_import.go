// Images from layouts and archives into the store.

package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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
// in the store; without it all images keep the names that the source has.
func Import(ctx context.Context, s *Store, from, name string, limits Limits, o CopyOptions) (list []Copied, err error) {
	fail := func(err error) ([]Copied, error) { return nil, fmt.Errorf("import %s: %w", from, err) }
	ref, err := ParseReference(from)
	if err != nil {
		return nil, err
	}
	full := ""
	if name != "" {
		n, err := localName(name)
		if err != nil {
			return nil, err
		}
		full = n.String()
	}
	if err := s.sweep(ctx); err != nil {
		return fail(err)
	}
	var src source
	var images []namedRoots
	var closer io.Closer
	if ref.Transport == DockerArchive {
		src, closer, images, err = dockerImages(ctx, ref, full, limits)
	} else {
		src, closer, images, err = layoutImages(ref, full, limits)
	}
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	for _, img := range images {
		res, err := copyImage(ctx, s, src, img.roots, img.name, o)
		if err != nil {
			return fail(fmt.Errorf("%s: %w", img.name, err))
		}
		list = append(list, *res)
	}
	return list, nil
}

func layoutImages(ref Reference, full string, limits Limits) (source, io.Closer, []namedRoots, error) {
	l, ref, err := Open(ref, limits)
	if err != nil {
		return nil, nil, nil, err
	}
	images, err := layoutRoots(l, ref.Ref, full)
	if err != nil {
		return nil, nil, nil, errors.Join(err, l.Close())
	}
	return layoutSource{l}, l, images, nil
}

// layoutRoots groups the index's descriptors by the names that they get.
func layoutRoots(l *Layout, ref, full string) ([]namedRoots, error) {
	data, err := l.readFile(v1.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(data, "")
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", v1.ImageIndexFile, err)
	}
	roots, err := named(x.Manifests, ref)
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
				quote(roots[0].Annotations[v1.AnnotationRefName]), quote(own))
		}
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(n namedRoots) bool { return n.name == name })
		if i < 0 {
			list = append(list, namedRoots{name: name})
			i = len(list) - 1
		}
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
		return "", fmt.Errorf("the image is called %s there, which is no full name: give it one after the source", quote(name))
	}
	n, err := localName(name)
	return n.String(), err
}

func dockerImages(ctx context.Context, ref Reference, full string, limits Limits) (source, io.Closer, []namedRoots, error) {
	a, err := openDockerArchive(ref.Path, limits)
	if err != nil {
		return nil, nil, nil, err
	}
	images, err := dockerRoots(ctx, a, ref.Ref, full)
	if err != nil {
		return nil, nil, nil, errors.Join(err, a.file.Close())
	}
	return a, a.file, images, nil
}

func dockerRoots(ctx context.Context, a *dockerArchive, ref, full string) (list []namedRoots, err error) {
	wanted := ""
	if ref != "" {
		n, _, err := ParseName(ref)
		if err != nil {
			return nil, err
		}
		wanted = n.String()
	}
	for _, img := range a.images {
		var names []string
		for _, tag := range img.RepoTags {
			n, _, err := ParseName(tag)
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
		root, err := a.convert(ctx, img)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			list = append(list, namedRoots{n, []v1.Descriptor{root}})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no image is named %s there", quote(ref))
	}
	return list, nil
}

// newSlice reads data from an offset on.
func newSlice(data []byte, offset int64) io.Reader {
	return bytes.NewReader(data[min(offset, int64(len(data))):])
}
