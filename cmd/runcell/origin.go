package main

// What a bundle was made of: the file image.json, which the image program writes.

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

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
	const most = 64 << 10
	f, err := os.OpenFile(filepath.Join(bundle, "image.json"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return o
	}
	defer func() { _ = f.Close() }()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return o
	}
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil || json.Unmarshal(b, &o) != nil {
		return origin{}
	}
	return o
}
