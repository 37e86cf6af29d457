// Changing the list in a layout's index.json.

package image

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// indexEntry is a descriptor in index.json. One that was read is written as
// it was, with the members that are not known here.
type indexEntry struct {
	v1.Descriptor
	raw json.RawMessage
}

func (e indexEntry) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	return json.Marshal(e.Descriptor)
}

func (e *indexEntry) UnmarshalJSON(data []byte) error {
	e.raw = slices.Clone(data)
	return json.Unmarshal(data, &e.Descriptor)
}

// withoutName drops the images of a name; the empty one is that of images
// without a name.
func withoutName(list []indexEntry, name string) []indexEntry {
	return slices.DeleteFunc(list, func(e indexEntry) bool { return e.Annotations[v1.AnnotationRefName] == name })
}

// editIndex applies edit to the list in an index.json. Other members of the
// document stay as they are.
func editIndex(data []byte, edit func([]indexEntry) []indexEntry) ([]byte, error) {
	if _, err := parseIndex(data, ""); err != nil {
		return nil, fmt.Errorf("parse %s: %w", v1.ImageIndexFile, err)
	}
	var whole map[string]json.RawMessage
	var list []indexEntry
	err := json.Unmarshal(data, &whole)
	if err == nil {
		err = json.Unmarshal(whole["manifests"], &list)
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", v1.ImageIndexFile, err)
	}
	if list = edit(list); list == nil {
		list = []indexEntry{}
	}
	if whole["manifests"], err = json.Marshal(list); err != nil {
		return nil, err
	}
	if data, err = json.Marshal(whole); err == nil && len(data) > maxJSON {
		err = fmt.Errorf("%s would have %d bytes, at most %d can be read: remove some images", v1.ImageIndexFile, len(data), maxJSON)
	}
	return data, err
}
