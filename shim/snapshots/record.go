package snapshots

// What is written down of a snapshot.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/log"
)

// The kinds of snapshots.
const (
	active    = "active"    // it can be written to
	view      = "view"      // it can be read
	committed = "committed" // it is complete, and others stand upon it
)

// record is a snapshot as record.json has it.
type record struct {
	Key     string            `json:"key"`
	Parent  string            `json:"parent,omitempty"`
	Kind    string            `json:"kind"`
	Labels  map[string]string `json:"labels,omitempty"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated"`
	// Shared are the top-level directories that are the parent's, not the
	// snapshot's own. Only an active one has any.
	Shared []string `json:"shared,omitempty"`
	// Size in bytes and Inodes are those of a committed snapshot.
	Size   int64 `json:"size,omitempty"`
	Inodes int64 `json:"inodes,omitempty"`
}

// parseRecord reads a record; what it does not know is an error.
func parseRecord(text []byte) (r record, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return record{}, err
	}
	switch {
	case r.Key == "":
		return record{}, errors.New("key: missing")
	case r.Kind != active && r.Kind != view && r.Kind != committed:
		return record{}, fmt.Errorf("kind %q: not known", r.Kind)
	case len(r.Shared) > 0 && (r.Kind != active || r.Parent == ""):
		return record{}, fmt.Errorf("shared: a snapshot of kind %s with parent %q shares nothing", r.Kind, r.Parent)
	}
	for _, name := range r.Shared {
		if !plain(name) {
			return record{}, fmt.Errorf("shared: %q is no name of a directory that can be shared", name)
		}
	}
	return r, nil
}

const recordName = "record.json"

// write puts the record into a snapshot's directory, for good.
func (r *record) write(dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	name, part := dir+"/"+recordName, dir+"/"+recordName+".new"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	syncDir(dir)
	return nil
}

// syncDir has a directory's names on the disk. What was renamed counts already,
// so a failure changes nothing but what a power failure would.
func syncDir(dir string) {
	f, err := os.Open(dir)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		log.L.Errorf("write %s to the disk: %v", dir, err)
	}
}
