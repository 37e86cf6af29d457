package layer

// The difference between two trees: what happened to the first to make it the
// second. It becomes a layer (pack --base) or a report (diff).

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/archive"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// Differ walks two trees side by side. No name is followed in either.
type Differ struct {
	Ctx        context.Context // ends the walk
	old, new   *inroot.Tree
	oldG, newG map[string]digest.Digest // groups of hard links, by path
	flags      map[Inode]uint32         // the first one's file flags
	buf        [2][]byte
	// What it finds, in the order of the names' bytes, a directory before
	// what it holds. st is the new file's. Below what was added or removed
	// it does not look.
	Added   func(name, path string, st *unix.Stat_t) error
	Removed func(name, path string, st *unix.Stat_t) error
	Changed func(name, path string, st *unix.Stat_t, what []string) error
}

// Run compares the image's tree with the one in the directory to. It ends with
// the first error of one of the functions, and gives it back as it is.
func (d *Differ) Run(from Original, to string) (err error) {
	d.flags = from.Flags
	if d.old, d.oldG, err = openSide(d.Ctx, from.Rootfs); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.old.Close()) }()
	if d.new, d.newG, err = openSide(d.Ctx, to); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.new.Close()) }()
	d.buf = [2][]byte{make([]byte, stream.AheadSize), make([]byte, stream.AheadSize)}
	var a, b unix.Stat_t
	if err := errors.Join(d.old.Stat(&a), d.new.Stat(&b)); err != nil {
		return err
	}
	what, err := d.compare(".", "", &a, &b)
	if err == nil && len(what) > 0 {
		err = d.Changed(".", ".", &b, what)
	}
	if err != nil {
		return err
	}
	return d.directory()
}

// openSide opens one of the trees.
func openSide(ctx context.Context, path string) (*inroot.Tree, map[string]digest.Digest, error) {
	f, err := os.Open(path) //nolint:forbidigo // the operator's own path
	if err != nil {
		return nil, nil, err
	}
	t, err := inroot.OpenTree(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, nil, err
	}
	groups, err := linkGroups(ctx, t)
	if err != nil {
		return nil, nil, errors.Join(err, t.Close())
	}
	return t, groups, nil
}

// linkGroups gives each file with several names a digest of all its names.
func linkGroups(ctx context.Context, t *inroot.Tree) (map[string]digest.Digest, error) {
	names := map[Inode][]string{}
	var walk func() error
	walk = func() error {
		list, err := t.Names()
		if err != nil {
			return err
		}
		for _, n := range list {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			var st unix.Stat_t
			if err := t.Lstat(n, &st); err != nil {
				return fmt.Errorf("%s: %w", image.Quote(t.Join(n)), err)
			}
			switch {
			case st.Mode&unix.S_IFMT == unix.S_IFDIR:
				depth := t.Depth()
				err := t.Push(n)
				if err == nil {
					err = errors.Join(walk(), t.Leave(depth))
				}
				if err != nil {
					return err
				}
			case st.Nlink > 1:
				key := inodeOf(&st)
				names[key] = append(names[key], t.Join(n))
			}
		}
		return nil
	}
	if err := walk(); err != nil {
		return nil, err
	}
	groups := map[string]digest.Digest{}
	for _, list := range names {
		sort.Strings(list)
		sum := digest.FromString(strings.Join(list, "\x00"))
		for _, n := range list {
			if len(list) > 1 {
				groups[n] = sum
			}
		}
	}
	return groups, nil
}

// directory compares the current directories.
func (d *Differ) directory() error {
	olds, err := d.old.Names()
	if err != nil {
		return err
	}
	news, err := d.new.Names()
	if err != nil {
		return err
	}
	all := append(slices.Clone(olds), news...)
	sort.Strings(all)
	for _, name := range slices.Compact(all) {
		if d.Ctx.Err() != nil {
			return context.Cause(d.Ctx)
		}
		if err := d.entry(name); err != nil {
			return err
		}
	}
	return nil
}

// entry compares what the trees have under a name.
func (d *Differ) entry(name string) error {
	path := d.new.Join(name)
	var a, b unix.Stat_t
	errA, errB := d.old.Lstat(name, &a), d.new.Lstat(name, &b)
	switch {
	case errors.Is(errA, unix.ENOENT) && errB == nil:
		return d.Added(name, path, &b)
	case errors.Is(errB, unix.ENOENT) && errA == nil:
		return d.Removed(name, path, &a)
	case errA != nil || errB != nil:
		return fmt.Errorf("%s: %w", image.Quote(path), errors.Join(errA, errB))
	}
	what, err := d.compare(name, path, &a, &b)
	if err != nil {
		return fmt.Errorf("compare %s: %w", image.Quote(path), err)
	}
	if slices.Contains(what, "type") {
		if err := d.Changed(name, path, &b, what); err != nil || b.Mode&unix.S_IFMT != unix.S_IFDIR {
			return err
		}
		return d.allNew(name)
	}
	if len(what) > 0 {
		if err := d.Changed(name, path, &b, what); err != nil {
			return err
		}
	}
	if b.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	depthA, depthB := d.old.Depth(), d.new.Depth()
	if err := errors.Join(d.old.Push(name), d.new.Push(name)); err != nil {
		return errors.Join(err, d.old.Leave(depthA), d.new.Leave(depthB))
	}
	return errors.Join(d.directory(), d.old.Leave(depthA), d.new.Leave(depthB))
}

// allNew reports all that is in a directory which was none before.
func (d *Differ) allNew(name string) error {
	depth := d.new.Depth()
	if err := d.new.Push(name); err != nil {
		return err
	}
	names, err := d.new.Names()
	sort.Strings(names)
	for _, n := range names {
		var st unix.Stat_t
		if err == nil {
			err = d.new.Lstat(n, &st)
		}
		if err == nil {
			err = d.Added(n, d.new.Join(n), &st)
		}
	}
	return errors.Join(err, d.new.Leave(depth))
}

// compare lists what differs between two files of a name.
func (d *Differ) compare(name, path string, a, b *unix.Stat_t) (what []string, err error) {
	kind := a.Mode & unix.S_IFMT
	if kind != b.Mode&unix.S_IFMT {
		return []string{"type"}, nil
	}
	differ := func(is bool, name string) {
		if is {
			what = append(what, name)
		}
	}
	switch kind {
	case unix.S_IFREG:
		same := a.Size == b.Size
		if same {
			same, err = d.sameContent(name, *a, *b)
		}
		differ(!same, "content")
	case unix.S_IFLNK:
		ta, errA := d.old.Readlink(name)
		tb, errB := d.new.Readlink(name)
		err = errors.Join(errA, errB)
		differ(ta != tb, "target")
	case unix.S_IFCHR, unix.S_IFBLK:
		differ(a.Rdev != b.Rdev, "device")
	}
	if err != nil {
		return nil, err
	}
	differ(kind != unix.S_IFLNK && a.Mode&0o7777 != b.Mode&0o7777, "mode")
	differ(a.Uid != b.Uid || a.Gid != b.Gid, "owner")
	differ(a.Mtim != b.Mtim, "mtime")
	differ(d.flags[inodeOf(a)] != knownFlags(b), "flags")
	differ(kind != unix.S_IFDIR && d.oldG[path] != d.newG[path], "links")
	xa, err := attributes(d.old, name)
	if err != nil {
		return nil, err
	}
	xb, err := attributes(d.new, name)
	differ(xa != xb, "attributes")
	return what, err
}

// attributes gives the attributes that a layer would have, as one string.
func attributes(t *inroot.Tree, name string) (string, error) {
	list, err := t.ListXattrs(name)
	if err != nil {
		return "", nil //nolint:nilerr // the file system has none
	}
	sort.Strings(list)
	var b strings.Builder
	for _, attr := range list {
		if xattrReason(attr) != "" {
			continue
		}
		value, err := t.GetXattr(name, attr)
		if err != nil {
			return "", fmt.Errorf("read attribute %s: %w", image.Quote(attr), err)
		}
		fmt.Fprintf(&b, "%q=%q ", attr, value)
	}
	return b.String(), nil
}

// sameContent compares two regular files of the same size.
func (d *Differ) sameContent(name string, stA, stB unix.Stat_t) (bool, error) {
	a, err := d.old.OpenFile(name, &stA)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := d.new.OpenFile(name, &stB)
	if err != nil {
		return false, err
	}
	defer b.Close()
	for at := int64(0); ; {
		if d.Ctx.Err() != nil {
			return false, context.Cause(d.Ctx)
		}
		if stA.Size >= archive.LeastHoles { // what is a hole in both is the same
			at = min(archive.NextData(a, at, stA.Size), archive.NextData(b, at, stB.Size))
		}
		n, errA := a.ReadAt(d.buf[0], at)
		m, errB := b.ReadAt(d.buf[1], at)
		if !bytes.Equal(d.buf[0][:n], d.buf[1][:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return true, errors.Join(notEOF(errA), notEOF(errB))
		}
		at += int64(n)
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
