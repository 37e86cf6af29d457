package manifest

// What documents lead to.

import (
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Children gives what the document data, which d describes, leads to: an index
// to manifests, a manifest to its config and layers, in this order. Of the
// descriptors it gives what, where from, for which platform and by which name.
func Children(d v1.Descriptor, data []byte) ([]v1.Descriptor, error) {
	if IsIndex(d.MediaType) {
		x, err := ParseIndex(data, d.MediaType)
		if err != nil {
			return nil, fmt.Errorf("parse index %s: %w", d.Digest, err)
		}
		return slim(x.Manifests), nil
	}
	m, err := ParseManifest(data, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", d.Digest, err)
	}
	return slim(append([]v1.Descriptor{m.Config}, m.Layers...)), nil
}

// slim drops what nobody asks a descriptor of an index or a manifest for: many of
// them are kept at once, and annotations are as large as an image likes.
func slim(list []v1.Descriptor) []v1.Descriptor {
	for i, d := range list {
		list[i] = v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform}
		if name := d.Annotations[v1.AnnotationRefName]; name != "" {
			list[i].Annotations = map[string]string{v1.AnnotationRefName: name}
		}
	}
	return list
}
