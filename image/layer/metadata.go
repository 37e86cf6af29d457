package layer

// Owner, mode, extended attributes and times of entries.

import (
	"archive/tar"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// metadata sets everything about name in the current directory; f is the file,
// if it is one that was just created. The owner comes first: chown clears file
// capabilities and set-id bits.
func (a *Applier) metadata(hdr *tar.Header, name string, f *inroot.File) error {
	if err := a.owner(hdr, name, f); err != nil {
		return err
	}
	if err := a.setXattrs(hdr, name); err != nil {
		return err
	}
	mode := uint32(hdr.Mode & 0o7777)
	var err error
	switch {
	case hdr.Typeflag == tar.TypeSymlink:
	case f != nil:
		err = f.Chmod(mode)
	default:
		err = a.tree.Chmod(name, mode)
	}
	if !a.root && mode&^0o777 != 0 && refusesMode(err) {
		// BSD systems tell what Linux does silently.
		a.notes.Add(image.Quote(hdr.Name), "set-id and sticky bits are not kept: only root can set them here")
		err = a.tree.Chmod(name, mode&0o777)
	}
	if err != nil {
		return fmt.Errorf("set mode %04o: %w", mode, err)
	}
	if err := a.times(hdr, name); err != nil {
		return err
	}
	return a.noteFlags(hdr, name)
}

func (a *Applier) owner(hdr *tar.Header, name string, f *inroot.File) error {
	uid, gid, err := OwnerOf(hdr)
	if err != nil {
		return err
	}
	if !a.root {
		a.recordOwner(hdr, name, uid, gid)
		return nil
	}
	switch {
	case f == nil:
		err = a.tree.Chown(name, int(uid), int(gid))
	case uid == 0 && int(gid) == a.group && gid == a.tree.GID():
		// A new file has our group or the directory's, depending on the
		// system, the mount and the directory's mode.
	default:
		err = f.Chown(int(uid), int(gid))
	}
	if err != nil {
		return ownerError(uid, gid, err)
	}
	return nil
}

// ownerError is why a file could not be given away.
func ownerError(uid, gid uint32, err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("set owner %d:%d: this user namespace has no such id", uid, gid)
	}
	return fmt.Errorf("set owner %d:%d: %w", uid, gid, err)
}

// times sets the modification time. A file system rounds and clamps it as it
// must; one it can't hold at all is refused.
func (a *Applier) times(hdr *tar.Header, name string) error {
	mtime, err := unix.TimeToTimespec(hdr.ModTime)
	if err == nil {
		err = a.tree.SetTimes(name, mtime)
	}
	if err != nil {
		return fmt.Errorf("set modification time %d: %w", hdr.ModTime.Unix(), err)
	}
	return nil
}

// paxXattr precedes an attribute's name in a PAX record (layer.md).
const paxXattr = "SCHILY.xattr."

// xattrRules say which attributes of an image are set; the first prefix that
// fits decides. An empty reason means yes.
var xattrRules = [...]struct{ prefix, reason string }{
	{"trusted.overlay.", "attributes of an overlay file system would change how a host mounts it"},
	{"user.overlay.", "attributes of an overlay file system would change how a host mounts it"},
	{"security.selinux", "labels belong to the host's own policy"},
	{"security.ima", "integrity signatures belong to the host's own policy"},
	{"security.evm", "integrity signatures belong to the host's own policy"},
	{rootlessOwner, "the attribute records owners for rootless tools, and is theirs to set"},
	{"security.capability", ""},
	{"system.posix_acl_", ""},
	{"trusted.", ""},
	{"user.", ""},
	{"", "an attribute of an unknown kind"},
}

func xattrReason(attr string) string {
	for _, r := range xattrRules {
		if strings.HasPrefix(attr, r.prefix) {
			return r.reason
		}
	}
	return ""
}

// noAttribute are the errors of a file that can't have an attribute, here or at all.
var noAttribute = [...]unix.Errno{unix.EOPNOTSUPP, unix.EPERM, unix.ENOENT}

func (a *Applier) setXattrs(hdr *tar.Header, name string) error {
	a.noteRecords(hdr)
	var attrs []string
	for record := range hdr.PAXRecords {
		if attr, ok := strings.CutPrefix(record, paxXattr); ok {
			attrs = append(attrs, attr)
		}
	}
	sort.Strings(attrs)
	for _, attr := range attrs {
		if reason := xattrReason(attr); reason != "" {
			a.notes.Add(image.Quote(hdr.Name)+" "+image.Quote(attr), "an extended attribute was left out: "+reason)
			continue
		}
		err := a.tree.SetXattr(name, attr, []byte(hdr.PAXRecords[paxXattr+attr]))
		switch {
		case err == nil:
		case isOneOf(err, noAttribute[:]):
			a.notes.Add(image.Quote(hdr.Name)+" "+image.Quote(attr), "an extended attribute could not be set: "+err.Error())
		default:
			return fmt.Errorf("set attribute %s: %w", image.Quote(attr), err)
		}
	}
	return nil
}

// clearXattrs removes what a lower layer set on a directory: an entry
// replaces all of its metadata.
func (a *Applier) clearXattrs(name string) error {
	attrs, err := a.tree.ListXattrs(name)
	if err != nil {
		return nil // what can't be listed could not be set either
	}
	for _, attr := range attrs {
		if xattrReason(attr) != "" {
			continue
		}
		if err := a.tree.RemoveXattr(name, attr); err != nil && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("remove attribute %s: %w", image.Quote(attr), err)
		}
	}
	return nil
}
