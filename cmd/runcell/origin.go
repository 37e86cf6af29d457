package main

// What a bundle was made of: the file image.json, which the image program writes.

import (
	"encoding/json"
	"path/filepath"
)

// originName is the file's name.
const originName = "image.json"

// origin is the file's content.
type origin struct {
	Image    string `json:"image,omitempty"`
	Manifest string `json:"manifest,omitempty"`
	Store    string `json:"store,omitempty"`
	Rootfs   string `json:"rootfs,omitempty"`
}

// originOf reads it. A bundle that was made without an image has none, and one
// that can't be read is as good as none: it is the operator's file, and only told.
func originOf(bundle string) (o origin) {
	b, err := readSmall(filepath.Join(bundle, originName))
	if err != nil || json.Unmarshal(b, &o) != nil {
		return origin{}
	}
	return o
}
