package store

// What bundles use of the store. A lease is in force as long as its bundle
// exists where it was made, or its root file system is mounted, anywhere: a
// bundle can be renamed, and the file system that it is on mounted elsewhere, while
// the cell runs. One that was moved while nothing ran holds nothing: nobody can
// tell it from one that is gone. GC says where the bundle was of what it takes, so
// that a dry run tells. What no lease and no image needs is garbage.

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// cell is what cell.json holds.
type cell struct {
	Bundle string `json:"bundle"` // absolute
	Base   string `json:"base"`   // in unpacked/; empty if there is a copy
}

func cellKey(bundle string) string {
	sum := sha256.Sum256([]byte(bundle))
	return hex.EncodeToString(sum[:16])
}

// Lease gives the directory for what a bundle needs in the store, and notes
// which shared root file system it uses, if any.
func (s *Store) Lease(bundle, base string) (dir string, err error) {
	dir = cellsDir + "/" + cellKey(bundle)
	if err := s.remove(dir); err != nil { // of a bundle that is gone
		return "", err
	}
	if err := errors.Join(s.root.MkdirAll(cellsDir, 0o700), s.root.MkdirAll(dir, 0o700)); err != nil {
		return "", err
	}
	data, err := json.Marshal(cell{bundle, base})
	if err == nil {
		err = s.replaceFile(dir+"/cell.json", data)
	}
	return dir, err
}

// EndLease removes what the store keeps for a bundle.
func (s *Store) EndLease(bundle string) error {
	return s.remove(cellsDir + "/" + cellKey(bundle))
}

// Adopt moves one directory of what fill makes to its place.
func (s *Store) Adopt(sub, to string, fill func(dir string) error) error {
	temp := ingestDir + "/" + tempName()
	if err := fill(temp); err != nil {
		return err
	}
	err := s.root.Rename(temp+"/"+sub, to)
	return errors.Join(err, s.remove(temp))
}

// Mkdir makes a directory of the store, mode 0755.
func (s *Store) Mkdir(name string) error { return s.root.Mkdir(name, 0o755) }

// OpenTree opens a root file system of the store.
func (s *Store) OpenTree(name string) (*inroot.Tree, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	t, err := inroot.OpenTree(f)
	return t, errors.Join(err, f.Close())
}

// MkdirTemp makes a directory for a temporary tree: on a disk, if there is a
// store that we may write to, rather than in memory.
func MkdirTemp(store string) (string, error) {
	if store != "" {
		temp, err := os.MkdirTemp(store+"/"+ingestDir, TempStart)
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
			return temp, err
		}
	}
	return os.MkdirTemp("", TempStart)
}

// staleCells lists what the store keeps for bundles that are gone, unless a
// cell runs on it, and the directories in unpacked/ that the others use.
func (s *Store) staleCells(running *mounted) ([]Leftover, map[string]bool, error) {
	names, err := s.readDir(cellsDir)
	var stale []Leftover
	used := map[string]bool{}
	for _, n := range names {
		var c cell
		data, err := s.ReadFile(cellsDir + "/" + n.Name() + "/cell.json")
		if err == nil {
			err = json.Unmarshal(data, &c)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("read %s/%s/cell.json: %w", cellsDir, n.Name(), err)
		}
		if err == nil {
			_, err = os.Lstat(c.Bundle) //nolint:forbidigo // the operator's own path
		}
		if errors.Is(err, fs.ErrNotExist) {
			name := cellsDir + "/" + n.Name()
			held, err := running.holds(name)
			if err != nil {
				return nil, nil, err
			}
			if !held {
				stale = append(stale, Leftover{Name: name, Kind: kindCell, Bundle: c.Bundle})
				continue
			}
		}
		used[c.Base] = true
	}
	return stale, used, err
}
