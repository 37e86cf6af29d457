package store

// Blobs on their way into the store. What has arrived of a blob is kept under
// its digest in ingest/, so that the next attempt, by this process or by
// another one later, goes on from there.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/lock"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// Transfer tells of one blob on its way.
type Transfer struct {
	Blob    v1.Descriptor
	Done    int64 // bytes so far
	Resumed int64 // of which an earlier attempt has left
	Retry   error // why it is taken up again, if it is
	Present bool  // it was there already
	Ended   bool
}

// has tells whether the store has a blob, by name and size. Its content was
// verified when it came and is verified again when it is unpacked.
func (s *Store) has(d v1.Descriptor) (bool, error) {
	if err := verify.Digest(d.Digest); err != nil {
		return false, err
	}
	fi, err := s.root.Stat(verify.BlobName(d.Digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !fi.Mode().IsRegular() || fi.Size() != d.Size:
		return false, fmt.Errorf("blob %s: the store has %d bytes of it, its descriptor says %d: %w: remove it with \"runcell image verify --repair\"", d.Digest, fi.Size(), d.Size, verify.ErrMismatch)
	}
	return true, nil
}

// arrival is a blob on its way.
type arrival struct {
	store *Store
	blob  v1.Descriptor
	from  image.Source
	tell  func(Transfer)
	file  *os.File
	sum   digest.Digester
	n     int64
	// pieces tells that it did not come in one piece, anew how often that has
	// made it start from the beginning.
	pieces bool
	anew   int
	state  Transfer
}

// Fetch gets a blob into the store unless it is there. Two that want the same
// blob don't both fetch it: the second waits.
func (s *Store) Fetch(ctx context.Context, from image.Source, d v1.Descriptor, tell func(Transfer)) (err error) {
	if d.Size < 0 {
		return fmt.Errorf("blob %s: size %d", image.Quote(string(d.Digest)), d.Size)
	}
	a := &arrival{store: s, blob: d, from: from, tell: tell, state: Transfer{Blob: d}}
	there, err := s.has(d)
	if err == nil && !there {
		there, err = a.lock(ctx)
	}
	if err != nil {
		return err
	}
	if there {
		a.report(Transfer{Blob: d, Done: d.Size, Present: true, Ended: true})
		return nil
	}
	defer func() { err = errors.Join(err, a.file.Close()) }()
	if err := a.resume(); err != nil {
		return err
	}
	if err := a.transfer(ctx); err != nil {
		return err
	}
	return a.keep()
}

func (a *arrival) report(t Transfer) {
	if a.tell != nil {
		a.tell(t)
	}
}

// part is the blob's name while it is incomplete.
func (a *arrival) part() string {
	return ingestDir + "/" + strings.Replace(string(a.blob.Digest), ":", "-", 1)
}

// lock opens and locks what there is of the blob. there means that it has
// arrived meanwhile.
func (a *arrival) lock(ctx context.Context) (there bool, err error) {
	root := a.store.root
	if err := root.MkdirAll(ingestDir, 0o700); err != nil {
		return false, err
	}
	for {
		f, err := root.OpenFile(a.part(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
		if err != nil {
			return false, err
		}
		if err := lock.File(ctx, f, flock.Exclusive); err != nil {
			return false, errors.Join(err, f.Close())
		}
		mine, err1 := f.Stat()
		now, err2 := root.Lstat(a.part())
		if err1 == nil && err2 == nil && os.SameFile(mine, now) && now.Mode().IsRegular() {
			a.file = f
			return false, nil
		}
		if err := f.Close(); err != nil {
			return false, err
		}
		if there, err := a.store.has(a.blob); there || err != nil {
			return there, err
		}
	}
}

// resume hashes what an earlier attempt has left.
func (a *arrival) resume() error {
	fi, err := a.file.Stat()
	if err != nil {
		return err
	}
	if fi.Size() > a.blob.Size {
		return a.restart()
	}
	a.sum = a.blob.Digest.Algorithm().Digester()
	a.n, err = io.Copy(a.sum.Hash(), a.file)
	a.pieces = a.n > 0
	a.state.Resumed, a.state.Done = a.n, a.n
	return err
}

// restart throws away what there is.
func (a *arrival) restart() error {
	a.sum, a.n, a.state.Resumed, a.state.Done, a.pieces = a.blob.Digest.Algorithm().Digester(), 0, 0, 0, false
	_, err := a.file.Seek(0, io.SeekStart)
	return errors.Join(err, a.file.Truncate(0))
}

// mostAnew is how often a blob that came in pieces starts from the beginning.
const mostAnew = 2

// transfer reads the blob to its end, over as many connections as it takes,
// and verifies it. What an earlier attempt has left can be damaged, and so can
// what came for the rest of a blob: then it starts anew, mostAnew times.
func (a *arrival) transfer(ctx context.Context) error {
	err := backoff.Retry(ctx, func() (bool, error) {
		before := a.n
		err := a.read(ctx)
		return a.n > before, err
	}, func(err error) {
		a.state.Retry = err
		a.report(a.state)
		a.state.Retry = nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("blob %s: %w", a.blob.Digest, err)
	case err != nil:
		return fmt.Errorf("blob %s: after %d of %d bytes: %w", a.blob.Digest, a.n, a.blob.Size, err)
	}
	got := a.sum.Digest()
	if got == a.blob.Digest {
		return nil
	}
	pieces := a.pieces
	if err := a.restart(); err != nil {
		return err
	}
	if a.anew++; pieces && a.anew <= mostAnew {
		return a.transfer(ctx)
	}
	return fmt.Errorf("blob %s: its digest is %s: %w", a.blob.Digest, got, verify.ErrMismatch)
}

// read reads on from where the file ends.
func (a *arrival) read(ctx context.Context) (err error) {
	if a.n == a.blob.Size && a.n > 0 {
		return nil
	}
	a.pieces = a.pieces || a.n > 0
	r, err := a.from.Open(ctx, a.blob, a.n)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	buf := make([]byte, stream.AheadSize)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if int64(n) > a.blob.Size-a.n {
			return errors.Join(fmt.Errorf("longer than the %d bytes its descriptor says: %w", a.blob.Size, verify.ErrMismatch), a.restart())
		}
		if _, werr := a.file.Write(buf[:n]); werr != nil {
			return backoff.Final{Err: werr}
		}
		a.sum.Hash().Write(buf[:n])
		a.n += int64(n)
		a.state.Done = a.n
		if n > 0 {
			a.report(a.state)
		}
		if err == io.EOF && a.n < a.blob.Size {
			return io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// keep gives the verified blob its name.
func (a *arrival) keep() error {
	if err := a.store.keepFile(a.file, a.part(), a.blob.Digest); err != nil {
		return err
	}
	a.state.Ended = true
	a.report(a.state)
	return nil
}

// keepFile syncs a verified file of ingest/ and renames it to its blob.
func (s *Store) keepFile(f *os.File, name string, d digest.Digest) error {
	if err := f.Sync(); err != nil {
		return err
	}
	dir := path.Dir(verify.BlobName(d))
	if err := s.root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := s.root.Rename(name, verify.BlobName(d)); err != nil {
		return err
	}
	return s.syncDir(dir)
}

// Put stores a small blob whose descriptor was made from it.
func (s *Store) Put(d v1.Descriptor, data []byte) error {
	there, err := s.has(d)
	if there || err != nil {
		return err
	}
	if err := s.root.MkdirAll(path.Dir(verify.BlobName(d.Digest)), 0o755); err != nil {
		return err
	}
	return s.replaceFile(verify.BlobName(d.Digest), data)
}

// partAge is how long what is left of an interrupted transfer waits to be
// taken up again.
const partAge = 7 * 24 * time.Hour

// Sweep removes what killed processes have left in ingest/, and parts of
// blobs that are older than partAge. It does nothing while somebody else
// uses the store.
func (s *Store) Sweep(ctx context.Context) error {
	alone, err := flock.Try(int(s.lock.Fd()), flock.Exclusive)
	if alone {
		err = s.sweepOlder(partAge)
	}
	return errors.Join(err, lock.File(ctx, s.lock, flock.Shared))
}

func (s *Store) sweepOlder(age time.Duration) error {
	left, err := s.leftovers(age)
	for _, l := range left {
		err = errors.Join(err, s.remove(l.Name))
	}
	return err
}
