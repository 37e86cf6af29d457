package image

// What an image may cost, and the error that refuses an entry.

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// Limits bound what one image can make us spend. A zero field means no limit
// of that kind. Each is a flag of the commands (cmd/internal/cmdline). Archives
// of layouts that are compressed as a whole count as well.
type Limits struct {
	MaxSize    int64 // bytes: of all blobs, and of all layers uncompressed, padding and holes included
	MaxEntries int64 // entries of all layers
	MaxPath    int64 // bytes of a name or link target
	MaxRatio   int64 // uncompressed : compressed, tested after the first 64 MiB of a layer
	MaxWindow  int64 // bytes of a zstd layer that its decompressor has to remember
	MaxLayers  int64
	MaxVolumes int64 // directories that the config has made
	MaxBlobs   int64 // descriptors that one name leads to
}

// DefaultLimits let every honest image through that we know of: gzip cannot
// exceed a ratio of 1032, and does so only on pure padding. With them, no image
// takes more than 100 MB of memory.
func DefaultLimits() Limits {
	return Limits{
		MaxSize: 64 << 30, MaxEntries: 2_000_000, MaxPath: 4096, MaxRatio: 1000, MaxWindow: 32 << 20,
		MaxLayers: 1024, MaxVolumes: 1000, MaxBlobs: 20_000,
	}
}

// Over is the error for more of something than its limit, if there is one; flag
// is the limit's.
func Over(n, most int64, what, flag string) error {
	if most > 0 && (n > most || n < 0) {
		return fmt.Errorf("more than %d %s (--%s)", most, what, flag)
	}
	return nil
}

// How long documents may be, in bytes. They are no flags: registries have the
// same limit (distribution-spec, "Pushing Manifests").
const (
	MaxJSON  = 4 << 20 // index, manifest or config
	MaxIndex = 8 << 20 // index.json, which lists all images of a layout
)

// EntryError refuses an entry of a layer.
type EntryError struct {
	Layer  int // from 1
	Digest digest.Digest
	Entry  string // as the layer spells it
	Reason error
}

// Error implements error.
func (e *EntryError) Error() string {
	return fmt.Sprintf("refuse layer %d (%s), entry %s: %v", e.Layer, e.Digest, Quote(e.Entry), e.Reason)
}

// Unwrap gives the reason.
func (e *EntryError) Unwrap() error { return e.Reason }

// Quote makes a name from an image fit for a terminal and a log line: as a Go
// string, and no longer than 200 bytes of it.
func Quote(s string) string {
	const most = 200
	if len(s) > most {
		return strconv.Quote(s[:most]) + fmt.Sprintf("... (%d bytes)", len(s))
	}
	return strconv.Quote(s)
}
