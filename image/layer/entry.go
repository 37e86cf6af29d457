package layer

// Making what one entry describes, in the tree's current directory.

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// typeNames name the entry types for people.
var typeNames = [...]struct {
	flag byte
	name string
}{
	{tar.TypeReg, "file"},
	{tar.TypeLink, "hard link"},
	{tar.TypeSymlink, "symbolic link"},
	{tar.TypeChar, "character device"},
	{tar.TypeBlock, "block device"},
	{tar.TypeDir, "directory"},
	{tar.TypeFifo, "FIFO"},
}

// TypeName names the type of an entry for people.
func TypeName(flag byte) string {
	for _, t := range typeNames {
		if t.flag == flag {
			return t.name
		}
	}
	return fmt.Sprintf("entry of type %q", flag)
}

// make makes anything but a hard link.
func (a *Applier) make(hdr *tar.Header, name string, r io.Reader) error {
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return a.file(hdr, name, r)
	case tar.TypeDir:
		return a.directory(hdr, name)
	case tar.TypeSymlink:
		return a.symlink(hdr, name)
	case tar.TypeFifo:
		return a.node(hdr, name, unix.S_IFIFO, 0)
	case tar.TypeChar:
		return a.device(hdr, name, unix.S_IFCHR)
	case tar.TypeBlock:
		return a.device(hdr, name, unix.S_IFBLK)
	}
	return fmt.Errorf("an %s: only files, directories, links, FIFOs and devices are known", TypeName(hdr.Typeflag))
}

// replace runs create, which must fail if name exists; then it removes what
// is there and tries again.
func (a *Applier) replace(name string, create func() error) error {
	err := create()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := a.tree.Remove(name); err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	return create()
}

// file makes a regular file. It never writes into an existing one, which
// could have other names.
func (a *Applier) file(hdr *tar.Header, name string, r io.Reader) error {
	if err := a.Budget.takeContent(hdr.Size); err != nil {
		return err
	}
	var f inroot.File
	err := a.replace(name, func() (err error) {
		f, err = a.tree.Create(name)
		return err
	})
	if err != nil {
		return err
	}
	err = a.content(f, hdr, r)
	if err == nil {
		err = a.metadata(hdr, name, &f)
	}
	return errors.Join(err, f.Close())
}

// content writes a file's content, with holes if the archive has it sparse.
func (a *Applier) content(f inroot.File, hdr *tar.Header, r io.Reader) error {
	sparse := hdr.Typeflag == tar.TypeGNUSparse || hdr.PAXRecords["GNU.sparse.major"] != "" || hdr.PAXRecords["GNU.sparse.map"] != ""
	for {
		before := a.in.N
		n, err := stream.Fill(r, a.buf)
		var e error
		switch {
		case sparse && a.in.N == before: // the archive has nothing here
			e = f.Skip(int64(n))
		case sparse:
			e = writeSparse(f, a.buf[:n])
		default:
			_, e = f.Write(a.buf[:n])
		}
		if e != nil {
			return fmt.Errorf("write: %w", e)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if sparse {
		if err := f.Truncate(hdr.Size); err != nil {
			return fmt.Errorf("truncate: %w", err)
		}
	}
	return nil
}

// writeSparse writes p, leaving a hole where a whole block is zero. Most of p is,
// as a rule, all of it: then it costs one call, not one for each block.
func writeSparse(f inroot.File, p []byte) error {
	const block = 4096
	if stream.IsZero(p) {
		return f.Skip(int64(len(p)))
	}
	for len(p) > 0 {
		n := min(block, len(p))
		if stream.IsZero(p[:n]) {
			if err := f.Skip(int64(n)); err != nil {
				return err
			}
		} else if _, err := f.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// directory makes a directory or takes over one that is there. A link to a
// directory is replaced, not followed.
func (a *Applier) directory(hdr *tar.Header, name string) error {
	create := func() error { return a.tree.Mkdir(name, 0o700) }
	err := create()
	if errors.Is(err, unix.EEXIST) {
		var st unix.Stat_t
		if err = a.tree.Lstat(name, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = a.clearXattrs(name)
		} else {
			err = a.replace(name, create)
		}
	}
	if err != nil {
		return err
	}
	return a.metadata(hdr, name, nil)
}

func (a *Applier) symlink(hdr *tar.Header, name string) error {
	switch most := a.Budget.Limits.MaxPath; {
	case hdr.Linkname == "":
		return errors.New("a symbolic link without a target")
	case strings.ContainsRune(hdr.Linkname, 0):
		return errors.New("a NUL byte in the link's target")
	case most > 0 && int64(len(hdr.Linkname)) > most:
		return fmt.Errorf("a link target of %d bytes, at most %d are taken (--max-path)", len(hdr.Linkname), most)
	}
	err := a.replace(name, func() error { return a.tree.Symlink(hdr.Linkname, name) })
	if err != nil {
		return err
	}
	return a.metadata(hdr, name, nil)
}

// hardlink links to an earlier entry, of this layer or a lower one. A link to
// a symbolic link is one more name for it. The entry's own metadata is that
// of the file it names already.
func (a *Applier) hardlink(hdr *tar.Header, dir []string, name string) error {
	target, err := a.components(hdr, hdr.Linkname)
	if err != nil {
		return fmt.Errorf("link target %s: %w", image.Quote(hdr.Linkname), err)
	}
	if len(target) == 0 {
		return fmt.Errorf("link target %s: it is the root directory", image.Quote(hdr.Linkname))
	}
	if err := a.tree.Link(target, dir, name); err != nil {
		bad, ok := errors.AsType[*inroot.TargetError](err)
		switch {
		case !ok:
			return err
		case errors.Is(bad.Err, unix.EISDIR):
			return fmt.Errorf("link target %s: a hard link to a directory", image.Quote(hdr.Linkname))
		}
		return fmt.Errorf("link target %s: %w (a hard link needs an earlier entry)", image.Quote(hdr.Linkname), bad.Err)
	}
	a.mark(name)
	return nil
}

// How many bits the kernels' device numbers have, on Linux and NetBSD (makedev(3)).
// Linux drops what is above without a word.
const (
	majorBits = 12
	minorBits = 20
)

// device makes a device node, or an empty file in its place where nodes
// can't be made or the numbers mean something else: the runtime gives a cell
// its own /dev anyway.
func (a *Applier) device(hdr *tar.Header, name string, kind uint32) error {
	stand := func(reason string) error {
		a.notes.Add(image.Quote(hdr.Name), "an empty file stands for the device node: "+reason)
		h := *hdr
		h.Typeflag, h.Size = tar.TypeReg, 0
		return a.file(&h, name, strings.NewReader(""))
	}
	if !a.devices {
		return stand("device numbers of another system mean other devices here")
	}
	if !a.root {
		return stand("only root can make one")
	}
	if hdr.Devmajor>>majorBits != 0 || hdr.Devminor>>minorBits != 0 {
		return fmt.Errorf("device number %d:%d is out of range", hdr.Devmajor, hdr.Devminor)
	}
	err := a.node(hdr, name, kind, unix.Mkdev(uint32(hdr.Devmajor), uint32(hdr.Devminor)))
	if errors.Is(err, unix.EPERM) {
		return stand("this system doesn't allow it")
	}
	return err
}

func (a *Applier) node(hdr *tar.Header, name string, kind uint32, dev uint64) error {
	err := a.replace(name, func() error { return a.tree.Mknod(name, kind|0o600, dev) })
	if err != nil {
		return err
	}
	return a.metadata(hdr, name, nil)
}
