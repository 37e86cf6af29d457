package store

// The shared root file systems. One is used only if it is known to be whole:
//
//	unpacked/BASE/rootfs        the tree
//	unpacked/BASE/complete      the mark, made after everything else
//	unpacked/BASE~TEXT          one without the mark that may be in use: stores
//	                            of before the mark have such, whole or not. It
//	                            stays as long as a cell uses BASE

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/image/internal/lock"
	"github.com/netbsd-cells/runcell/kmod/flock"
)

// UnpackedDir has the root file systems that cells share.
const UnpackedDir = "unpacked"

const (
	completeMark = "complete"
	asideMark    = "~"
)

// HasUnpacked tells whether the shared root file system of a name is there,
// whole.
func (s *Store) HasUnpacked(base string) (bool, error) {
	fi, err := s.root.Lstat(UnpackedDir + "/" + base + "/" + completeMark)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && fi.Mode().IsRegular(), err
}

// Unpacked makes the shared root file system of a name, unless it is there.
// One process makes it, others wait.
func (s *Store) Unpacked(ctx context.Context, base string, fill func(dir string) error) (err error) {
	if err := errors.Join(s.root.MkdirAll(ingestDir, 0o700), s.root.MkdirAll(UnpackedDir, 0o700)); err != nil {
		return err
	}
	held, err := s.root.OpenFile(ingestDir+"/lock-"+base, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := lock.File(ctx, held, flock.Exclusive); err != nil {
		return err
	}
	if there, err := s.HasUnpacked(base); there || err != nil {
		return err
	}
	temp := ingestDir + "/" + tempName()
	if err := fill(temp); err != nil {
		return err
	}
	if err := s.complete(temp, base); err != nil {
		return errors.Join(err, s.remove(temp))
	}
	return s.syncDir(UnpackedDir)
}

// complete marks what is in temp as whole and gives it its name.
func (s *Store) complete(temp, base string) error {
	mark, err := s.root.OpenFile(temp+"/"+completeMark, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		err = mark.Close()
	}
	if err != nil {
		return err
	}
	name := UnpackedDir + "/" + base
	err = s.root.Rename(name, name+asideMark+rand.Text())
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = s.root.Rename(temp, name)
	}
	return err
}

// staleRoots lists the shared root file systems that no lease, no image's chain
// and no running cell needs. An image needs no more than one that is whole.
func (s *Store) staleRoots(leased, chains map[string]bool, running *mounted) ([]Leftover, error) {
	names, err := s.readDir(UnpackedDir)
	if err != nil {
		return nil, err
	}
	var stale []Leftover
	for _, n := range names {
		name := UnpackedDir + "/" + n.Name()
		base, chain := baseOf(n.Name())
		used := leased[base]
		if !used && base == n.Name() && chains[chain] {
			used, err = s.HasUnpacked(base)
		}
		if err == nil && !used {
			used, err = running.holds(name)
		}
		if err == nil && !used { // NetBSD has the name of when it was mounted
			used, err = running.holds(UnpackedDir + "/" + base)
		}
		if err != nil {
			return nil, err
		}
		if !used {
			stale = append(stale, Leftover{Name: name, Kind: kindUnpacked})
		}
	}
	return stale, nil
}

// baseOf gives the name that a directory in unpacked/ has, or had before it was
// put aside, and the hex digits of its chain ID.
func baseOf(dir string) (base, chain string) {
	base, _, _ = strings.Cut(dir, asideMark)
	chain, _, _ = strings.Cut(base, "-")
	return base, chain
}
