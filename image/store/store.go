// Package store is the content store: an OCI image layout that other tools can
// read, with every blob under its digest and images under their full names in
// index.json. It knows neither registries nor how a layer is unpacked.
//
//	STORE/oci-layout, index.json, blobs/ALGORITHM/HEX   the layout
//	STORE/index.lock       flock(2)ed while index.json is replaced
//	STORE/ingest/          blobs on their way, each locked by who fetches it, and
//	                       what is being removed
//	STORE/unpacked/CHAIN/  root file systems that cells share, see unpacked.go
//	STORE/cells/           what each cell of "runcell run --image" uses
//	STORE/policy           which images are used, see trust.go
//	STORE/signatures/      why they can be
//
// The directory itself is flocked: shared by who reads or adds, exclusively
// by who removes. A blob gets its name only once it is whole, verified and on
// the disk, and what is removed gives it up before (remove.go), so that whatever
// is killed leaves nothing but leftovers in ingest/.
package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/lock"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	indexLock = "index.lock"
	ingestDir = "ingest"
	cellsDir  = "cells"
)

// TempStart is how the names in ingest/ begin that are no blob on its way.
const TempStart = "tmp-"

// Store is an open store. Any number of processes may have it open.
type Store struct {
	Dir  string // absolute
	root *os.Root
	lock *os.File // the directory
	*layout.Layout
}

// Open opens the store in the directory path, and makes it if create is
// set. It waits while somebody removes from it. The caller closes it.
func Open(ctx context.Context, path string, create bool) (*Store, error) {
	s, err := openStore(ctx, path, create)
	if err != nil {
		return nil, fmt.Errorf("open image store %s: %w", path, err)
	}
	return s, nil
}

func openStore(ctx context.Context, path string, create bool) (_ *Store, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if create {
		// For its owner only: images hold set-id programs, and secrets.
		if err := os.MkdirAll(path, 0o700); err != nil { //nolint:forbidigo // the operator's own path
			return nil, err
		}
	}
	s := &Store{Dir: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.root, err = layout.Directory(path); err != nil {
		return nil, err
	}
	if s.lock, err = s.root.Open("."); err != nil {
		return nil, err
	}
	if _, err := s.root.Stat(v1.ImageLayoutFile); errors.Is(err, fs.ErrNotExist) && create {
		if err := s.make(ctx); err != nil {
			return nil, err
		}
	}
	if err := lock.File(ctx, s.lock, flock.Shared); err != nil {
		return nil, err
	}
	s.Layout, err = layout.InRoot(s.root, path)
	return s, err
}

// make turns an empty directory into a store. The file oci-layout comes last,
// so a store that has it is whole.
func (s *Store) make(ctx context.Context) error {
	if err := lock.File(ctx, s.lock, flock.Exclusive); err != nil {
		return err
	}
	if _, err := s.root.Stat(v1.ImageLayoutFile); err == nil {
		return nil // made while we waited
	}
	names, err := s.lock.Readdirnames(-1)
	if err != nil {
		return err
	}
	ours := []string{v1.ImageBlobsDir, v1.ImageIndexFile, ingestDir, policyFile, signaturesDir}
	for _, n := range names {
		if !slices.Contains(ours, n) {
			return fmt.Errorf("the directory holds %s but no file %s: name an empty directory or an image layout", image.Quote(n), v1.ImageLayoutFile)
		}
	}
	if err := errors.Join(s.root.MkdirAll(v1.ImageBlobsDir+"/sha256", 0o755), s.root.MkdirAll(ingestDir, 0o700)); err != nil {
		return err
	}
	if err := s.replaceFile(v1.ImageIndexFile, []byte(layout.EmptyIndex)); err != nil {
		return err
	}
	return s.replaceFile(v1.ImageLayoutFile, []byte(layout.VersionFile))
}

// Path is the store's directory, absolute.
func (s *Store) Path() string { return s.Dir }

// Close releases the store and its lock.
func (s *Store) Close() error {
	var err error
	if s.lock != nil {
		err = s.lock.Close()
	}
	if s.root != nil {
		err = errors.Join(err, s.root.Close())
	}
	return err
}

// exclusively runs f while nobody else has the store open. Its own shared lock
// is given up first: NetBSD keeps it when the exclusive one is not to be had,
// and two who want that would wait for each other.
func (s *Store) exclusively(ctx context.Context, f func() error) error {
	if err := flock.Unlock(int(s.lock.Fd())); err != nil {
		return fmt.Errorf("unlock %s: %w", s.lock.Name(), err)
	}
	if err := lock.File(ctx, s.lock, flock.Exclusive); err != nil {
		return err
	}
	err := f()
	return errors.Join(err, lock.File(context.WithoutCancel(ctx), s.lock, flock.Shared))
}

// replaceFile writes a small file so that it is there whole or not at all.
func (s *Store) replaceFile(name string, data []byte) error {
	f, err := s.temp()
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return s.settle(f, name, err)
}

// temp makes a file in ingest/.
func (s *Store) temp() (*os.File, error) {
	if err := s.root.MkdirAll(ingestDir, 0o700); err != nil {
		return nil, err
	}
	return s.root.OpenFile(ingestDir+"/"+tempName(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
}

// tempName is a name that nobody else chooses.
func tempName() string { return TempStart + rand.Text() }

// settle closes a file of ingest/ and gives it its final name, or removes it
// if it could not be written.
func (s *Store) settle(f *os.File, name string, err error) error {
	temp := s.inIngest(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.root.Rename(temp, name)
	}
	if err != nil {
		err = errors.Join(err, s.remove(temp))
	} else {
		err = s.syncDir(path.Dir(name))
	}
	return errors.Join(err, f.Close())
}

// inIngest gives the name of a file that temp made.
func (s *Store) inIngest(f *os.File) string { return ingestDir + "/" + filepath.Base(f.Name()) }

// syncDir makes renames into a directory last.
func (s *Store) syncDir(name string) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readIndex reads index.json.
func (s *Store) readIndex() (*v1.Index, error) {
	data, err := s.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return nil, fmt.Errorf("read image store %s: %w", s.Dir, err)
	}
	x, err := manifest.ParseIndex(data, "")
	if err != nil {
		return nil, fmt.Errorf("read image store %s: parse %s: %w", s.Dir, v1.ImageIndexFile, err)
	}
	return x, nil
}

// changeIndex replaces index.json by what edit makes of its list.
func (s *Store) changeIndex(ctx context.Context, edit func([]layout.IndexEntry) []layout.IndexEntry) (err error) {
	held, err := s.root.OpenFile(indexLock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := lock.File(ctx, held, flock.Exclusive); err != nil {
		return err
	}
	data, err := s.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return err
	}
	if data, err = layout.EditIndex(data, edit); err != nil {
		return err
	}
	return s.replaceFile(v1.ImageIndexFile, data)
}

// What the index says about an image of which a registry has more: of which index
// it was chosen, and for which platform. A name with the index's digest means
// this image.
const (
	AnnotationIndex    = "org.netbsd.cell.image.index"
	AnnotationPlatform = "org.netbsd.cell.image.platform"
)

// Named is a name, and the images that get it, which differ in their platforms. Of
// their annotations the store keeps those of this package.
type Named struct {
	Name   string // full
	Images []v1.Descriptor
	// Keep refuses to take the name away from another image.
	Keep bool
}

// ErrTaken is wrapped when a name belongs to another image.
var ErrTaken = errors.New("the name belongs to another image")

// Name gives images their names, and takes those away from any other. All of them
// are given at once, or none.
func (s *Store) Name(ctx context.Context, all ...Named) error {
	var taken error
	err := s.changeIndex(ctx, func(list []layout.IndexEntry) []layout.IndexEntry {
		names := map[string]int{} // the last counts
		for i, n := range all {
			names[n.Name] = i
		}
		kept := make([]layout.IndexEntry, 0, len(list)+len(all))
		for _, e := range list {
			i, named := names[e.Annotations[v1.AnnotationRefName]]
			switch {
			case !named:
				kept = append(kept, e)
			case all[i].Keep && !all[i].has(e.Digest):
				taken = fmt.Errorf("name image %s: %w, %s", all[i].Name, ErrTaken, e.Digest)
			}
		}
		if taken != nil {
			return list
		}
		for i, n := range all {
			if names[n.Name] == i {
				kept = append(kept, n.entries()...)
			}
		}
		return kept
	})
	if err == nil {
		return taken
	}
	return fmt.Errorf("name image %s: %w", all[0].Name, err)
}

func (n Named) has(d digest.Digest) bool {
	return slices.ContainsFunc(n.Images, func(i v1.Descriptor) bool { return i.Digest == d })
}

func (n Named) entries() (list []layout.IndexEntry) {
	for _, d := range n.Images {
		list = append(list, layout.IndexEntry{Descriptor: v1.Descriptor{
			MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: d.Platform,
			Annotations: annotations(n.Name, d),
		}})
	}
	return list
}

// annotations are those that an image of a name gets.
func annotations(name string, d v1.Descriptor) map[string]string {
	m := map[string]string{v1.AnnotationRefName: name}
	for _, key := range []string{AnnotationIndex, AnnotationPlatform} {
		if v := d.Annotations[key]; v != "" {
			m[key] = v
		}
	}
	return m
}

// Lookup finds what a name means: a full or short name, a name that another
// tool gave, or a digest of an image in the index. A name with a digest is also that
// of an image of the repository that came under a tag. It gives the full name and
// the descriptors that have it, of which there is usually one.
func (s *Store) Lookup(name string) (full string, found []v1.Descriptor, err error) {
	x, err := s.readIndex()
	if err != nil {
		return "", nil, err
	}
	return s.lookup(x, name)
}

func (s *Store) lookup(x *v1.Index, name string) (full string, found []v1.Descriptor, err error) {
	names := []string{name}
	if d := digest.Digest(name); verify.Digest(d) == nil {
		for _, entry := range x.Manifests {
			if entry.Digest == d {
				return name, []v1.Descriptor{entry}, nil
			}
		}
	} else if names, err = reference.Candidates(name); err != nil {
		return "", nil, err
	}
	for _, full := range names {
		for _, entry := range x.Manifests {
			if entry.Annotations[v1.AnnotationRefName] == full {
				found = append(found, entry)
			}
		}
		if len(found) > 0 {
			return full, found, nil
		}
	}
	for _, full := range names {
		if d, ok := byDigest(x.Manifests, full); ok {
			return d.Annotations[v1.AnnotationRefName], []v1.Descriptor{d}, nil
		}
	}
	return "", nil, fmt.Errorf("%w %s in the store %s: \"runcell image list\" has them all, \"runcell image pull\" and \"import\" add more", ErrNoImage, image.Quote(name), s.Dir)
}

// byDigest finds the image that a full name with a digest means if no image has
// the name itself.
func byDigest(list []v1.Descriptor, full string) (v1.Descriptor, bool) {
	repository, want, found := strings.Cut(full, "@")
	for _, d := range list {
		n, _, err := reference.ParseName(d.Annotations[v1.AnnotationRefName])
		if !found || err != nil || n.Registry+"/"+n.Repository != repository {
			continue
		}
		if string(d.Digest) == want || d.Annotations[AnnotationIndex] == want {
			return d, true
		}
	}
	return v1.Descriptor{}, false
}

// Document gives the index or manifest of a digest that the store has, if it has
// one. That its bytes are those of the digest proves it.
func (s *Store) Document(sum digest.Digest) (d v1.Descriptor, data []byte, found bool) {
	if verify.Digest(sum) != nil {
		return d, nil, false
	}
	fi, err := s.root.Stat(verify.BlobName(sum))
	if err != nil {
		return d, nil, false
	}
	d = v1.Descriptor{Digest: sum, Size: fi.Size()}
	if data, err = s.ReadBlob(d); err != nil {
		return d, nil, false
	}
	for _, d.MediaType = range manifest.Types {
		if _, err := manifest.Children(d, data); err == nil {
			return d, data, true
		}
	}
	return d, nil, false
}

// ErrNoImage is wrapped when the store has no image of a name.
var ErrNoImage = errors.New("no image")

// Find resolves a name and what is wanted to one image of the store, to be used. It
// is an error that wraps trust.ErrRefused if the policy does not let it be.
func (s *Store) Find(name string, want manifest.Want) (*layout.Image, string, error) {
	img, full, found, err := s.find(name, want)
	if err == nil {
		err = s.trusted(full, found, img)
	}
	if err != nil {
		return nil, "", err
	}
	return img, full, nil
}

// find is Find for one that is only looked at.
func (s *Store) find(name string, want manifest.Want) (*layout.Image, string, []v1.Descriptor, error) {
	full, found, err := s.Lookup(name)
	if err != nil {
		return nil, "", nil, err
	}
	img, err := s.Choose(found, want)
	if err != nil {
		return nil, "", nil, fmt.Errorf("read image %s: %w", full, err)
	}
	return img, full, found, nil
}
