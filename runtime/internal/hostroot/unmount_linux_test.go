package hostroot

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

func mountsOf(b *rootBox, t oci.MountType, destination string) {
	b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: destination, Type: t}}
}

// containerd closes a terminal's master only after delete has returned.
func TestOpenTerminalIsUnmounted(t *testing.T) {
	shortPatience(t)
	inRootBox(t, someFiles, func(b *rootBox) {
		mountsOf(b, oci.MountDevpts, "/dev/pts")
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		master, err := os.OpenFile(b.in("/dev/pts/ptmx"), os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = master.Close() }()
		if err := b.unmount(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(b.kernel.forced, []string{b.in("/dev/pts")}) {
			t.Errorf("unmounted by force: %q", b.kernel.forced)
		}
	})
}

// Files are another matter: who has one open must not lose it.
func TestOpenFileIsNotForced(t *testing.T) {
	shortPatience(t)
	inRootBox(t, someFiles, func(b *rootBox) {
		mountsOf(b, oci.MountTmpfs, "/var")
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		f, err := os.Create(b.in("/var/f"))
		if err != nil {
			t.Error(err)
			return
		}
		if err := b.unmount(); !errors.Is(err, unix.EBUSY) || len(b.kernel.forced) > 0 {
			t.Errorf("unmount with an open file: %v, forced %q", err, b.kernel.forced)
		}
		_ = f.Close()
	})
}

// A container that replaces a directory on the way to a mount by a link must
// not have the host's mounts taken away.
func TestUnmountFollowsNoLink(t *testing.T) {
	shortPatience(t)
	inRootBox(t, []string{"rootfs/a/b/", "host/b/"}, func(b *rootBox) {
		mountsOf(b, oci.MountTmpfs, "/a/b")
		host := filepath.Join(b.bundle, "host")
		if err := errors.Join(b.build(), unix.Mount("tmpfs", host+"/b", "tmpfs", 0, "")); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Unmount(host+"/b", 0) }()
		if err := errors.Join(os.Rename(b.in("/a"), b.in("/moved")), os.Symlink(host, b.in("/a"))); err != nil {
			t.Error(err)
			return
		}
		table, err := b.kernel.table()
		if err != nil {
			t.Error(err)
			return
		}
		m := table[slices.IndexFunc(table, func(m mountEntry) bool { return m.on == host+"/b" })]
		if err := unmountPoint(b.kernel, mountEntry{kind: fsTmpfs, on: b.in("/a/b")}, unmountPatience); err != nil {
			t.Error(err)
		}
		if _, there, err := mountAt(b.kernel, m.on); !there || err != nil {
			t.Errorf("the host's mount is gone (%v)", err)
		}
		if err := errors.Join(os.Remove(b.in("/a")), os.Rename(b.in("/moved"), b.in("/a"))); err != nil {
			t.Error(err)
		}
	})
}

// What create has checked is unmounted without the whole table, also if it is there
// twice; where more is in the way, or create did not come to its end, the table is read.
func TestTableIsReadIfNeeded(t *testing.T) {
	shortPatience(t)
	for name, c := range map[string]struct {
		created bool
		before  func(b *rootBox) error
		reads   bool
		again   bool // for what is gone
	}{
		"as recorded": {created: true},
		"half":        {reads: true, again: true},
		"twice": {created: true, before: func(b *rootBox) error {
			return unix.Mount("tmpfs", b.in("/var"), "tmpfs", 0, "")
		}},
		"another": {created: true, reads: true, before: func(b *rootBox) error {
			return unix.Mount("tmpfs", b.in("/etc"), "tmpfs", 0, "")
		}},
		"one of elsewhere": {created: true, reads: true, again: true, before: func(b *rootBox) error {
			b.recorded = append(b.recorded, b.bundle)
			return nil
		}},
	} {
		inRootBox(t, []string{"rootfs/var/", "rootfs/etc/"}, func(b *rootBox) {
			b.created = c.created
			mountsOf(b, oci.MountTmpfs, "/var")
			err := b.build()
			if err == nil && c.before != nil {
				err = c.before(b)
			}
			if err != nil {
				t.Error(name, err)
				return
			}
			for _, reads := range []bool{c.reads, c.again} {
				b.kernel.tables = 0
				if err := b.unmount(); err != nil || (b.kernel.tables > 0) != reads {
					t.Errorf("%s: %v, the table was read %d times", name, err, b.kernel.tables)
				}
			}
		})
	}
}

// Where a container has moved its mount, and put a link to the host's in its place, the
// short way takes nothing of the host's and does not say that all is done.
func TestShortWayFollowsNoLink(t *testing.T) {
	shortPatience(t)
	inRootBox(t, []string{"rootfs/a/b/", "host/b/"}, func(b *rootBox) {
		mountsOf(b, oci.MountTmpfs, "/a/b")
		host := filepath.Join(b.bundle, "host")
		if err := errors.Join(b.build(), unix.Mount("tmpfs", host+"/b", "tmpfs", 0, ""),
			os.Rename(b.in("/a"), b.in("/moved")), os.Symlink(host, b.in("/a"))); err != nil {
			t.Error(err)
			return
		}
		if unmountRecorded(b.kernel, filepath.Join(b.state, DirName), b.recorded) {
			t.Error("all is said to be done")
		}
		if err := errors.Join(unix.Unmount(host+"/b", 0), os.Remove(b.in("/a")), os.Rename(b.in("/moved"), b.in("/a"))); err != nil {
			t.Error(err)
		}
	})
}
