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
		if err := unmountPoint(b.kernel, mountEntry{kind: fsTmpfs, on: b.in("/a/b")}); err != nil {
			t.Error(err)
		}
		if there, err := liesOn(b.kernel, m); !there || err != nil {
			t.Errorf("the host's mount is gone (%v)", err)
		}
		if err := errors.Join(os.Remove(b.in("/a")), os.Rename(b.in("/moved"), b.in("/a"))); err != nil {
			t.Error(err)
		}
	})
}
