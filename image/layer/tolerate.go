package layer

// What other tools take and layers have, though no specification says so. Each is
// taken where it is safe, with a note.

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"golang.org/x/sys/unix"
)

// Notes about oddities of layers.
const (
	noteParent     = `".." in the name takes the component before it away, as text`
	noteReplaced   = "a file of a lower layer gave way to a directory that no entry describes"
	noteCompressed = "the layer's media type says otherwise, but it is compressed with "
)

// aufsNames are what the aufs driver of old Docker versions left in layers.
// Files in aufsLinks are there to have other names: hard links lead to them.
var aufsNames = [...]string{".wh..wh.aufs", ".wh..wh.orph", aufsLinks}

const aufsLinks = ".wh..wh.plnk"

// components gives the path of an entry, or of what it links to.
func (a *Applier) components(hdr *tar.Header, name string) ([]string, error) {
	names, err := image.Components(name, a.Budget.Limits.MaxPath)
	if err == nil && image.HasParent(name) {
		a.notes.Add(image.Quote(hdr.Name), noteParent)
	}
	return names, err
}

// yields tells whether a file gives way to a directory in its place: one of a
// lower layer does, as it would if an entry described the directory.
func (a *Applier) yields(path string) bool {
	if a.own == nil || a.own.has(path) {
		return false
	}
	a.notes.Add(image.Quote(path), noteReplaced)
	return true
}

// isAufs tells whether an entry is aufs metadata. link means that it is kept for
// the time of the layer.
func isAufs(hdr *tar.Header, names []string) (is, link bool) {
	is = slices.Contains(aufsNames[:], names[0])
	return is, names[0] == aufsLinks && len(names) == 2 && hdr.Typeflag == tar.TypeReg
}

// dropAufs removes what was kept for the time of the layer, if there is any.
func (a *Applier) dropAufs() error {
	if err := a.tree.Leave(1); err != nil {
		return err
	}
	return a.tree.Remove(aufsLinks)
}

// lostRecords are PAX records that would change a file, if anything here could
// carry them out. The first prefix that fits decides.
var lostRecords = [...]struct{ prefix, reason string }{
	{"SCHILY.acl.", "an access control list in text was left out: layers have them as attributes"},
	{"LIBARCHIVE.xattr.", "an extended attribute in libarchive's form was left out: layers have them as " + paxXattr},
	{"RHT.security.selinux", "a label was left out: labels belong to the host's own policy"},
}

// noteRecords tells of records that are not carried out. bsdtar writes each
// attribute in two forms.
func (a *Applier) noteRecords(hdr *tar.Header) {
	for record := range hdr.PAXRecords {
		for _, l := range lostRecords {
			attr, found := strings.CutPrefix(record, l.prefix)
			if _, twice := hdr.PAXRecords[paxXattr+attr]; found && !twice {
				a.notes.Add(image.Quote(hdr.Name)+" "+image.Quote(record), l.reason)
			}
		}
	}
}

// hostErrors are no fault of the layer.
var hostErrors = [...]unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EFBIG, unix.EIO, unix.EROFS, unix.EMFILE, unix.ENFILE, unix.ENOMEM}

// refusal is the error of an entry: the layer is refused, unless this machine
// could not carry it out.
func (a *Applier) refusal(hdr *tar.Header, err error) error {
	if isOneOf(err, hostErrors[:]) {
		return fmt.Errorf("entry %s: %w", image.Quote(hdr.Name), err)
	}
	return &image.EntryError{Layer: a.number, Digest: a.digest, Entry: hdr.Name, Reason: err}
}

func isOneOf(err error, list []unix.Errno) bool {
	return slices.ContainsFunc(list, func(e unix.Errno) bool { return errors.Is(err, e) })
}
