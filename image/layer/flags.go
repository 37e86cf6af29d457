package layer

// The file flags of BSD systems (chflags(2)), as PAX records carry them.

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// PaxFlags is the record's name, as libarchive writes it (libarchive-formats(5));
// its value is what ls -lo prints, with commas.
const PaxFlags = "SCHILY.fflags"

// fileFlags are NetBSD's flags and their names (strtofflags(3)), the usual
// one first.
var fileFlags = [...]struct {
	bit   uint32
	names []string
}{
	{0x1, []string{"nodump"}},
	{0x2, []string{"uchg", "uchange", "uimmutable"}},
	{0x4, []string{"uappnd", "uappend"}},
	{0x8, []string{"opaque"}},
	{0x10000, []string{"arch", "archived"}},
	{0x20000, []string{"schg", "schange", "simmutable"}},
	{0x40000, []string{"sappnd", "sappend"}},
}

// parseFlags gives the bits of the flags in text, and the names it does not
// know.
func parseFlags(text string) (bits uint32, unknown []string) {
next:
	for name := range strings.SplitSeq(text, ",") {
		for _, f := range fileFlags {
			if slices.Contains(f.names, name) {
				bits |= f.bit
				continue next
			}
		}
		if name != "" && name != "none" && name != "dump" {
			unknown = append(unknown, name)
		}
	}
	return bits, unknown
}

// flagNames is the reverse: what a layer says of a file.
func flagNames(bits uint32) string {
	var names []string
	for _, f := range fileFlags {
		if bits&f.bit != 0 {
			names = append(names, f.names[0])
		}
	}
	return strings.Join(names, ",")
}

// Tests replace it: Linux has no such flags.
var setFlags = (*inroot.Tree).SetFlags

// maxFlagged is how many files of an image may have flags: each is remembered.
// NetBSD's own sets have about a dozen.
const maxFlagged = 50_000

// flagged is a file that gets its flags when all layers are there: nothing
// can be done to an immutable one any more.
type flagged struct {
	path string
	st   unix.Stat_t
	bits uint32
}

// Inode is a file on this machine, until it is removed.
type Inode struct{ dev, ino uint64 }

func inodeOf(st *unix.Stat_t) Inode { return Inode{uint64(st.Dev), st.Ino} }

// isStill tells whether the file is the one of now, and not one that took its
// place and perhaps its inode.
func (f flagged) isStill(now *unix.Stat_t) bool {
	return inodeOf(&f.st) == inodeOf(now) && generationOf(&f.st) == generationOf(now) &&
		(f.st.Mtim == now.Mtim || now.Mode&unix.S_IFMT == unix.S_IFDIR)
}

// noteFlags remembers an entry's flags. A directory that an upper layer lists
// without any has none: it is the same directory, as no file would be.
func (a *Applier) noteFlags(hdr *tar.Header, name string) error {
	bits, unknown := parseFlags(hdr.PAXRecords[PaxFlags])
	if len(unknown) > 0 {
		a.notes.Add(image.Quote(hdr.Name)+" "+image.Quote(strings.Join(unknown, ",")), "file flags that no system here has were left out")
	}
	switch {
	case bits == 0 && (len(a.flags) == 0 || hdr.Typeflag != tar.TypeDir):
		return nil
	case !haveFlags:
		a.notes.Add(image.Quote(hdr.Name), "file flags were left out: this system has none")
		return nil
	case hdr.Typeflag != tar.TypeReg && hdr.Typeflag != tar.TypeDir:
		a.notes.Add(image.Quote(hdr.Name), "file flags are set on files and directories only")
		return nil
	}
	if len(a.flags) >= maxFlagged {
		return fmt.Errorf("more than %d files have flags", maxFlagged)
	}
	var st unix.Stat_t
	if err := a.tree.Lstat(name, &st); err != nil {
		return err
	}
	path := a.tree.Join(name)
	if name == "." {
		path = ""
	}
	a.flags = append(a.flags, flagged{path, st, bits})
	return nil
}

// SetFlags sets what the entries said of file flags. It comes last: nothing can
// be made in an immutable directory, or be done to an immutable file. Where flags
// can't be set, a note says so.
func (a *Applier) SetFlags() error {
	return a.eachFlagged(func(f flagged, name string) error {
		err := setFlags(a.tree, name, f.bits)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			a.notes.Add(image.Quote(f.path), "file flags could not be set: "+err.Error())
			return nil
		}
		return err
	})
}

// ListFlags tells what SetFlags would set, as bits of chflags(2), and sets
// nothing: a tree that is only compared with another can still be removed.
func (a *Applier) ListFlags() (map[Inode]uint32, error) {
	flags := map[Inode]uint32{}
	err := a.eachFlagged(func(f flagged, _ string) error {
		flags[inodeOf(&f.st)] = f.bits
		return nil
	})
	return flags, err
}

// eachFlagged calls do in the directory of each file that has flags in the
// end, the last first: what is in a directory comes before the directory. What
// an upper layer has hidden, replaced or listed again is left out.
func (a *Applier) eachFlagged(do func(f flagged, name string) error) error {
	listed := map[Inode]bool{}
	for _, f := range slices.Backward(a.flags) {
		if listed[inodeOf(&f.st)] {
			continue
		}
		still, name, err := a.find(f)
		if still {
			listed[inodeOf(&f.st)] = true
			if f.bits != 0 {
				err = do(f, name)
			}
		}
		if err != nil {
			return fmt.Errorf("set file flags of %s: %w", image.Quote(f.path), err)
		}
	}
	return a.tree.Leave(1)
}

// find goes to the file's directory, and tells whether the file is there.
func (a *Applier) find(f flagged) (still bool, name string, err error) {
	names := strings.Split(f.path, "/")
	name = names[len(names)-1]
	if err := a.tree.Enter(names[:len(names)-1], false); err != nil {
		if errors.Is(err, unix.ENOENT) || inroot.IsNotDir(err) {
			return false, "", nil
		}
		return false, "", err
	}
	if name == "" { // the root: its time can't be set afterwards
		if err := a.tree.Settle(); err != nil {
			return false, "", err
		}
		name = "."
	}
	var st unix.Stat_t
	return a.tree.Lstat(name, &st) == nil && f.isStill(&st), name, nil
}

// knownFlags are the flags that a layer can tell of.
func knownFlags(st *unix.Stat_t) (bits uint32) {
	for _, f := range fileFlags {
		bits |= f.bit & flagsOf(st)
	}
	return bits
}
