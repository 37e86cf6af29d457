package layout

// Changing the list in a layout's index.json.

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/manifest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// IndexEntry is a descriptor in index.json. One that was read is written as
// it was, with the members that are not known here.
type IndexEntry struct {
	v1.Descriptor
	raw json.RawMessage
}

// MarshalJSON implements json.Marshaler.
func (e IndexEntry) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	return json.Marshal(e.Descriptor)
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *IndexEntry) UnmarshalJSON(data []byte) error {
	e.raw = slices.Clone(data)
	return json.Unmarshal(data, &e.Descriptor)
}

// WithoutName drops the images of a name; the empty one is that of images
// without a name.
func WithoutName(list []IndexEntry, name string) []IndexEntry {
	return slices.DeleteFunc(list, func(e IndexEntry) bool { return e.Annotations[v1.AnnotationRefName] == name })
}

// EditIndex applies edit to the list in an index.json. Other members of the
// document stay as they are.
func EditIndex(data []byte, edit func([]IndexEntry) []IndexEntry) ([]byte, error) {
	if _, err := manifest.ParseIndex(data, ""); err != nil {
		return nil, fmt.Errorf("parse %s: %w", v1.ImageIndexFile, err)
	}
	var whole map[string]json.RawMessage
	var list []IndexEntry
	err := json.Unmarshal(data, &whole)
	if err == nil {
		err = json.Unmarshal(whole["manifests"], &list)
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", v1.ImageIndexFile, err)
	}
	if list = edit(list); list == nil {
		list = []IndexEntry{}
	}
	if whole["manifests"], err = json.Marshal(list); err != nil {
		return nil, err
	}
	if data, err = json.Marshal(whole); err == nil && len(data) > image.MaxIndex {
		err = fmt.Errorf("%s would have %d bytes, at most %d can be read: remove some images", v1.ImageIndexFile, len(data), image.MaxIndex)
	}
	return data, err
}
