package layer

// A layer of what differs between an image and a tree.

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// Original is a fresh copy of an image's root file system. What would keep it
// from being removed is only written down.
type Original struct {
	Rootfs string           // its directory
	Flags  map[Inode]uint32 // file flags, see ListFlags
}

// PackDiff writes what makes the directory to out of the image's tree as a tar
// archive with whiteouts. Its errors are those of Pack.
func PackDiff(ctx context.Context, from Original, to string, w io.Writer, o PackOptions) (*Packed, error) {
	bw := bufio.NewWriterSize(w, stream.AheadSize)
	p := &packer{ctx: ctx, tw: tar.NewWriter(bw), raw: bw, o: o, euid: os.Geteuid(), links: map[Inode]string{}, buf: make([]byte, stream.AheadSize)}
	d := &Differ{Ctx: ctx}
	d.Added = func(name, _ string, _ *unix.Stat_t) error { return p.on(d.new).child(name) }
	d.Changed = func(name, path string, st *unix.Stat_t, _ []string) error {
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			path += "/"
		}
		if err := p.on(d.new).header(name, path, st); err != nil {
			return fmt.Errorf("pack %s: %w", image.Quote(path), err)
		}
		return nil
	}
	d.Removed = func(name, path string, _ *unix.Stat_t) error {
		return p.write(&tar.Header{
			Typeflag: tar.TypeReg, Name: path[:len(path)-len(name)] + Whiteout + name, Mode: 0o644, Format: tar.FormatPAX,
			ModTime: p.mtime(&unix.Stat_t{}),
		}, nil)
	}
	err := d.Run(from, to)
	if err == nil {
		err = errors.Join(p.tw.Close(), bw.Flush())
	}
	if err != nil {
		return nil, err
	}
	return &Packed{Entries: p.entries, Newest: p.newest, Notes: p.notes.List}, nil
}

// on sets the tree that names are looked up in.
func (p *packer) on(t *inroot.Tree) *packer {
	if p.tree = t; p.dev == 0 {
		var st unix.Stat_t
		if t.StatRoot(&st) == nil {
			p.dev = uint64(st.Dev)
		}
	}
	return p
}
