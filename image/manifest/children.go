package manifest

// What documents lead to.

import (
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Children gives what the document data, which d describes, leads to: an index
// to manifests, a manifest to its config and layers, in this order.
func Children(d v1.Descriptor, data []byte) ([]v1.Descriptor, error) {
	if IsIndex(d.MediaType) {
		x, err := ParseIndex(data, d.MediaType)
		if err != nil {
			return nil, fmt.Errorf("parse index %s: %w", d.Digest, err)
		}
		return x.Manifests, nil
	}
	m, err := ParseManifest(data, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", d.Digest, err)
	}
	return append([]v1.Descriptor{m.Config}, m.Layers...), nil
}
