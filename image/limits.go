package image

// What an image may cost, the error that refuses an entry, and the notes
// about what could not be carried out.

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// Limits bound what one image can make Unpack spend. A zero field means no
// limit of that kind. Archives of layouts that are compressed as a whole
// count as well.
type Limits struct {
	MaxSize    int64 // bytes of all layers uncompressed, padding and holes included
	MaxEntries int64 // entries of all layers
	MaxPath    int   // bytes of a name or link target
	MaxRatio   int64 // uncompressed : compressed, tested after the first 64 MiB of a layer
}

// DefaultLimits let every honest image through that we know of: gzip cannot
// exceed a ratio of 1032, and does so only on pure padding.
func DefaultLimits() Limits {
	return Limits{MaxSize: 64 << 30, MaxEntries: 4_000_000, MaxPath: 4096, MaxRatio: 1000}
}

// MaxJSON is how long an index, manifest or config may be, in bytes; registries
// allow as much (distribution-spec, "Pushing Manifests").
const MaxJSON = 4 << 20

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

// Note tells of something that was not carried out as the image says. Equal
// reasons are counted, not repeated.
type Note struct {
	Where  string `json:"where"` // the first place: an entry or a config field
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// String is the note as a user reads it, on one line.
func (n Note) String() string {
	if n.Count > 1 {
		return fmt.Sprintf("%s and %d more: %s", n.Where, n.Count-1, n.Reason)
	}
	return n.Where + ": " + n.Reason
}

// Notes collects Notes; their number is that of distinct reasons.
type Notes struct{ List []Note }

// Add adds a note, or counts it if there is one with the same reason.
func (n *Notes) Add(where, reason string) {
	for i := range n.List {
		if n.List[i].Reason == reason {
			n.List[i].Count++
			return
		}
	}
	n.List = append(n.List, Note{Where: where, Reason: reason, Count: 1})
}

// Quote makes a name from an image fit for a terminal and a log line: as a Go
// string, and no longer than 200 bytes of it.
func Quote(s string) string {
	const most = 200
	if len(s) > most {
		return strconv.Quote(s[:most]) + fmt.Sprintf("... (%d bytes)", len(s))
	}
	return strconv.Quote(s)
}
