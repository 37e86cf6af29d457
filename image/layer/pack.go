package layer

// Walking a tree and writing it as a deterministic tar archive.

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/archive"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// packer writes one tree.
type packer struct {
	ctx     context.Context
	tree    *inroot.Tree
	tw      *tar.Writer
	raw     io.Writer // what tw writes to
	o       PackOptions
	euid    int // who we are
	dev     uint64
	links   map[Inode]string // (device, inode) → the name it was packed under
	notes   image.Notes
	entries int64
	newest  time.Time
	read    int64
	buf     []byte
}

// PackOptions say which times entries get, who is told of the bytes read, and
// what is left out.
type PackOptions struct {
	MTime    *time.Time // of every entry, if not nil
	Epoch    *time.Time // of every entry that is newer, if not nil
	Progress func(done, total int64)
	Hollow   func(path string) bool // directories of which the content is left out, if not nil
}

// Packed says what was written as a tar archive: how many entries, and what was
// left out.
type Packed struct {
	Entries int64
	Newest  time.Time // of the entries' times; zero if there are none
	Notes   []image.Note
}

// Pack writes the directory rootfs as a tar archive to w. The same tree and times
// give the same bytes. Sockets, and what is mounted below, are left out with a
// note; a file that shrinks or is replaced meanwhile is an error.
func Pack(ctx context.Context, rootfs string, w io.Writer, o PackOptions) (*Packed, error) {
	f, err := os.Open(rootfs) //nolint:forbidigo // the operator's own path
	if err != nil {
		return nil, err
	}
	t, err := inroot.OpenTree(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	bw := bufio.NewWriterSize(w, stream.AheadSize)
	p := &packer{
		ctx: ctx, tree: t, tw: tar.NewWriter(bw), raw: bw, o: o, euid: os.Geteuid(),
		links: map[Inode]string{}, buf: make([]byte, stream.AheadSize),
	}
	err = p.root()
	if err == nil {
		err = errors.Join(p.tw.Close(), bw.Flush())
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return nil, err
	}
	return &Packed{Entries: p.entries, Newest: p.newest, Notes: p.notes.List}, nil
}

func (p *packer) root() error {
	var st unix.Stat_t
	if err := p.tree.Stat(&st); err != nil {
		return err
	}
	p.dev = uint64(st.Dev)
	if err := p.header(".", "./", &st); err != nil {
		return fmt.Errorf("pack the root directory: %w", err)
	}
	return p.children()
}

// children packs the current directory's entries in the order of their bytes.
func (p *packer) children() error {
	names, err := p.tree.Names()
	if err != nil {
		return fmt.Errorf("list %s: %w", image.Quote(p.tree.Path()), err)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := p.ctx.Err(); err != nil {
			return context.Cause(p.ctx)
		}
		if err := p.child(name); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) child(name string) error {
	path := p.tree.Join(name)
	if strings.HasPrefix(name, Whiteout) {
		return fmt.Errorf("pack %s: names that start with %s mean whiteouts in a layer: rename it", image.Quote(path), Whiteout)
	}
	var st unix.Stat_t
	if err := p.tree.Lstat(name, &st); err != nil {
		return fmt.Errorf("pack %s: %w", image.Quote(path), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if err := p.header(name, path, &st); err != nil {
			return fmt.Errorf("pack %s: %w", image.Quote(path), err)
		}
		return nil
	}
	if err := p.header(name, path+"/", &st); err != nil {
		return fmt.Errorf("pack %s: %w", image.Quote(path), err)
	}
	if uint64(st.Dev) != p.dev {
		p.notes.Add(image.Quote(path), "a mounted file system was not packed, only its mount point")
		return nil
	}
	if p.o.Hollow != nil && p.o.Hollow(path) {
		return nil
	}
	depth := p.tree.Depth()
	if err := p.tree.Push(name); err != nil {
		return fmt.Errorf("pack %s: %w", image.Quote(path), err)
	}
	return errors.Join(p.children(), p.tree.Leave(depth))
}

// tarTypes are the entry types of file types.
var tarTypes = [...]struct {
	mode uint32
	flag byte
}{
	{unix.S_IFREG, tar.TypeReg},
	{unix.S_IFDIR, tar.TypeDir},
	{unix.S_IFLNK, tar.TypeSymlink},
	{unix.S_IFIFO, tar.TypeFifo},
	{unix.S_IFCHR, tar.TypeChar},
	{unix.S_IFBLK, tar.TypeBlock},
}

// header writes the entry for name in the current directory as path.
func (p *packer) header(name, path string, st *unix.Stat_t) error {
	hdr := &tar.Header{
		Name: path, Mode: int64(st.Mode & 0o7777),
		ModTime: p.mtime(st), Format: tar.FormatPAX, PAXRecords: map[string]string{},
	}
	uid, gid := p.owner(name, st)
	if err := SetOwner(hdr, uid, gid); err != nil {
		return err
	}
	for _, t := range tarTypes {
		if t.mode == uint32(st.Mode)&unix.S_IFMT {
			hdr.Typeflag = t.flag
		}
	}
	if hdr.Typeflag == 0 {
		p.notes.Add(image.Quote(path), "a socket can't be packed")
		return nil
	}
	if p.isLink(hdr, st) {
		return p.write(hdr, nil)
	}
	if flags := flagNames(flagsOf(st)); flags != "" {
		hdr.PAXRecords[PaxFlags] = flags
	}
	if err := p.xattrs(hdr, name); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeReg:
		return p.file(hdr, name, st)
	case tar.TypeSymlink:
		target, err := p.tree.Readlink(name)
		if err != nil {
			return err
		}
		hdr.Linkname = target
	case tar.TypeChar, tar.TypeBlock:
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev)))
	}
	return p.write(hdr, nil)
}

// isLink makes hdr a hard link if the file was packed under another name.
func (p *packer) isLink(hdr *tar.Header, st *unix.Stat_t) bool {
	if hdr.Typeflag == tar.TypeDir || st.Nlink < 2 {
		return false
	}
	key := inodeOf(st)
	first, found := p.links[key]
	if !found {
		p.links[key] = hdr.Name
		return false
	}
	hdr.Typeflag, hdr.Linkname = tar.TypeLink, first
	return true
}

// mtime is the entry's time by --mtime and SOURCE_DATE_EPOCH.
func (p *packer) mtime(st *unix.Stat_t) time.Time {
	if p.o.MTime != nil {
		return *p.o.MTime
	}
	t := time.Unix(int64(st.Mtim.Sec), int64(st.Mtim.Nsec)) //nolint:unconvert // their width depends on the port
	if p.o.Epoch != nil && t.After(*p.o.Epoch) {
		return *p.o.Epoch
	}
	return t
}

func (p *packer) xattrs(hdr *tar.Header, name string) error {
	attrs, err := p.tree.ListXattrs(name)
	if err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) {
			return nil // the file system has none, or there is no /proc
		}
		return fmt.Errorf("list attributes: %w", err)
	}
	for _, attr := range attrs {
		if attr == rootlessOwner {
			continue // see owner
		}
		if reason := xattrReason(attr); reason != "" {
			p.notes.Add(image.Quote(hdr.Name)+" "+image.Quote(attr), "an extended attribute was left out: "+reason)
			continue
		}
		value, err := p.tree.GetXattr(name, attr)
		if err != nil {
			return fmt.Errorf("read attribute %s: %w", image.Quote(attr), err)
		}
		hdr.PAXRecords[paxXattr+attr] = string(value)
	}
	return nil
}

// file writes a regular file, which must stay what lstat saw.
func (p *packer) file(hdr *tar.Header, name string, st *unix.Stat_t) error {
	now := *st
	f, err := p.tree.OpenFile(name, &now)
	if err != nil {
		return err
	}
	defer f.Close()
	hdr.Size = now.Size
	list, err := archive.Sparse(p.ctx, f, now.Size)
	switch {
	case err != nil:
		return err
	case list != nil:
		return p.writeSparse(hdr, f, list)
	}
	return p.write(hdr, io.NewSectionReader(f, 0, now.Size)) // to look for holes moves the offset
}

// count takes an entry into what is told of all.
func (p *packer) count(hdr *tar.Header) {
	p.entries++
	if hdr.ModTime.After(p.newest) {
		p.newest = hdr.ModTime
	}
}

func (p *packer) write(hdr *tar.Header, content io.Reader) error {
	p.count(hdr)
	if err := p.tw.WriteHeader(hdr); err != nil {
		return err
	}
	if content == nil {
		return nil
	}
	n, err := io.CopyBuffer(stream.OnlyWriter{Writer: p.tw}, stream.WithContext{Ctx: p.ctx, R: io.LimitReader(content, hdr.Size)}, p.buf)
	if err == nil && n < hdr.Size {
		err = fmt.Errorf("it shrank from %d to %d bytes while it was read", hdr.Size, n)
	}
	if p.read += n; p.o.Progress != nil {
		p.o.Progress(p.read, 0)
	}
	return err
}

// writeSparse writes a file of which only the segments are there.
func (p *packer) writeSparse(hdr *tar.Header, f io.ReaderAt, list []archive.Part) error {
	p.count(hdr)
	if err := p.tw.Flush(); err != nil {
		return err
	}
	head, err := archive.SparseHeader(hdr, list)
	if err != nil {
		return err
	}
	if _, err := p.raw.Write(head); err != nil {
		return err
	}
	total := int64(0)
	for _, s := range list {
		n, err := io.CopyBuffer(p.raw, stream.WithContext{Ctx: p.ctx, R: io.NewSectionReader(f, s.Offset, s.Size)}, p.buf)
		if err == nil && n < s.Size {
			err = fmt.Errorf("it shrank from %d bytes while it was read", hdr.Size)
		}
		if err != nil {
			return err
		}
		if total += n; p.o.Progress != nil {
			p.read += n
			p.o.Progress(p.read, 0)
		}
	}
	_, err = p.raw.Write(make([]byte, archive.Padding(total)))
	return err
}
