package hostroot

// A root on real mounts: Linux's bind mounts stand in for NetBSD's null
// mounts, in a mount namespace that ends with the test.

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

func TestHostRoot(t *testing.T) {
	inRootBox(t, someFiles, func(b *rootBox) {
		somePlan(b)
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		checkSomePlan(b)
		if got := b.mounts("/dev"); got != fsTmpfs {
			t.Errorf("on /dev was mounted: %s; want one tmpfs", got)
		}
		b.wantWrite("/etc/new", nil)
		if fi, err := os.Stat(b.in("/etc/hosts")); err != nil || fi.Mode().Perm() != 0o444 {
			t.Errorf("read-only copy has mode %v, %v", fi.Mode(), err)
		}
		if err := b.unmount(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(b.source, "secret/key")); err != nil {
			t.Errorf("unmounting touched the root filesystem: %v", err)
		}
	})
}

// A read-only root gets what it lacks first, and nothing can be written after.
func TestReadonlyHostRoot(t *testing.T) {
	inRootBox(t, someFiles, func(b *rootBox) {
		somePlan(b)
		b.plan.Root.Readonly = true
		b.plan.Process.Cwd = "/dev/work"
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		checkSomePlan(b)
		b.wantWrite("/etc/new", unix.EROFS)
		b.wantWrite("/dev/shm-like", nil) // the tmpfs is writable all the same
		if left, err := os.ReadDir(filepath.Join(b.source, "dev")); err != nil || len(left) > 0 {
			t.Errorf("made below the tmpfs on /dev: %v, %v", left, err)
		}
		table, err := b.kernel.table()
		if err != nil {
			t.Error(err)
		}
		if table = slices.DeleteFunc(table, func(e mountEntry) bool { return e.on != b.in("/") }); len(table) != 1 {
			t.Errorf("the root is mounted %d times", len(table))
		}
	})
}

// Without mounts on /dev, a read-only root has its devices all the same.
func TestReadonlyHostRootHoldsDevices(t *testing.T) {
	inRootBox(t, nil, func(b *rootBox) {
		somePlan(b)
		b.plan.Mounts, b.plan.Process.Terminal, b.plan.Root.Readonly = nil, false, true
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		if fi, err := os.Stat(b.in("/dev/null")); err != nil || fi.Mode().Type() != os.ModeDevice|os.ModeCharDevice {
			t.Errorf("/dev/null = %v, %v", fi, err)
		}
		b.wantWrite("/x", unix.EROFS)
	})
}

// What the image contains cannot lead a mount out of the root.
func TestHostMountsStayInRoot(t *testing.T) {
	outside := t.TempDir()
	inRootBox(t, []string{"vol/v", "rootfs/real/", "rootfs/abs -> " + outside, "rootfs/up -> ../../../../../../.." + outside}, func(b *rootBox) {
		b.plan.Mounts = []oci.Mount{
			{Field: "mounts[0]", Destination: "/abs", Type: oci.MountBind, Source: "vol"},
			{Field: "mounts[1]", Destination: "/up/x", Type: oci.MountTmpfs},
		}
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		b.want(outside+"/v", "vol/v")
		for _, p := range b.recorded {
			if !inroot.Within(p, b.in("/")) {
				t.Errorf("mounted outside of the root: %s", p)
			}
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
			t.Errorf("the outside was touched: %v, %v", left, err)
		}
	})
}

// Somebody swaps the mount point for a link between the walk and the mount.
func TestMovedMountPointIsRefused(t *testing.T) {
	outside := t.TempDir()
	inRootBox(t, []string{"vol/v", "rootfs/data/"}, func(b *rootBox) {
		b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/data", Type: oci.MountBind, Source: "vol"}}
		b.kernel.before = func(m hostMount, path string) {
			if path != b.in("/data") {
				return
			}
			if err := errors.Join(os.Remove(path), os.Symlink(outside, path)); err != nil {
				t.Error(err)
			}
		}
		err := b.build()
		if err == nil || !strings.Contains(err.Error(), "check mount point") {
			t.Errorf("build = %v; want the mount refused", err)
		}
		// Linux resolves the path, so this stray mount is one to clean up here.
		_ = unix.Unmount(outside, unix.MNT_DETACH)
	})
}

// Every mount point is recorded before it is mounted, and even without the
// record a killed create is cleaned up.
func TestMountsAreRecordedFirst(t *testing.T) {
	inRootBox(t, someFiles, func(b *rootBox) {
		somePlan(b)
		b.kernel.before = func(_ hostMount, path string) {
			if !slices.Contains(b.recorded, path) {
				t.Errorf("%s is mounted before it is recorded", path)
			}
		}
		if err := b.build(); err != nil {
			t.Error(err)
		}
		if len(b.kernel.log) < 6 || !strings.HasPrefix(b.kernel.log[0], "null "+b.in("/")) {
			t.Errorf("mounted: %q; want the root first, and at least 6", b.kernel.log)
		}
		b.recorded = nil
		if err := b.unmount(); err != nil {
			t.Errorf("unmount without a record: %v", err)
		}
	})
}

func TestRecursiveBindBringsSubmounts(t *testing.T) {
	inRootBox(t, []string{"vol/sub/deep/", "link -> vol"}, func(b *rootBox) {
		sub := filepath.Join(b.bundle, "vol/sub")
		if err := unix.Mount("tmpfs", sub, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Unmount(sub, 0) }()
		b.put("vol/sub/f")
		b.plan.Mounts = []oci.Mount{
			{Field: "mounts[0]", Destination: "/r", Type: oci.MountBind, Source: "link", Recursive: true, Flags: oci.MountFlags{Readonly: true}},
			{Field: "mounts[2]", Destination: "/rr", Type: oci.MountBind, Source: "vol", Recursive: true, Below: oci.MountFlags{Readonly: true}},
			{Field: "mounts[1]", Destination: "/one", Type: oci.MountBind, Source: "vol"},
		}
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		b.want("/r/sub/f", "vol/sub/f")
		b.wantWrite("/r/new", unix.EROFS)
		b.wantWrite("/r/sub/new", nil)
		b.wantWrite("/rr/new", nil)
		b.wantWrite("/rr/sub/new", unix.EROFS)
		if _, err := os.Stat(b.in("/one/sub/f")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a plain bind mount brought a submount: %v", err)
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(b.in("/r/sub"), &fs); err != nil || fs.Flags&unix.ST_NOEXEC == 0 {
			t.Errorf("the submount's noexec was lost: %#x, %v", fs.Flags, err)
		}
		if err := b.unmount(); err != nil {
			t.Error(err)
		}
	})
}

// What is to be in a read-only tmpfs is made before it is: mount points, files,
// devices' directory, the working directory.
func TestReadonlyTmpfsHasWhatIsBelow(t *testing.T) {
	inRootBox(t, []string{"vol/f", "file"}, func(b *rootBox) {
		b.plan.Mounts = []oci.Mount{
			{Field: "mounts[0]", Destination: "/data", Type: oci.MountTmpfs, Flags: oci.MountFlags{Readonly: true}},
			{Field: "mounts[1]", Destination: "/data/sub", Type: oci.MountBind, Source: "vol"},
			{Field: "mounts[2]", Destination: "/data/sub/in", Type: oci.MountTmpfs},
			{Field: "mounts[3]", Destination: "/data/file", Type: oci.MountBind, Source: "file"},
		}
		b.plan.Process.Cwd = "/data/cwd"
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		b.want("/data/sub/f", "vol/f")
		b.want("/data/file", "file")
		b.wantWrite("/data/new", unix.EROFS)
		b.wantWrite("/data/cwd/new", unix.EROFS)
		b.wantWrite("/data/sub/new", nil)
		b.wantWrite("/data/sub/in/new", nil)
		if left, err := os.ReadDir(filepath.Join(b.source, "data")); err != nil || len(left) > 0 {
			t.Errorf("made in the root filesystem: %v, %v", left, err)
		}
		if err := b.unmount(); err != nil {
			t.Error(err)
		}
	})
}

// A tmpfs is made read-only at once where nothing is to be in it, and is covered
// where anything is, whatever it is.
func TestReadonlyTmpfsIsCoveredIfNeeded(t *testing.T) {
	const once, covered = fsTmpfs, fsTmpfs + " " + fsNull
	tmpfs := func(dest string, flags oci.MountFlags) oci.Mount {
		return oci.Mount{Field: "mounts[x]", Destination: dest, Type: oci.MountTmpfs, Flags: flags}
	}
	readonly := oci.MountFlags{Readonly: true}
	fifo := []oci.Device{{Field: "linux.devices[0]", Path: "/data/fifo", Type: "p"}}
	for _, c := range []struct {
		name    string
		dest    string
		flags   oci.MountFlags
		cwd     string
		devices []oci.Device
		later   string
		there   string // made in it
		want    string
	}{
		{"nothing", "/empty", readonly, "/", fifo, "/other", "", once},
		{"the working directory itself", "/data", readonly, "/data", nil, "/other", "", once},
		{"writable", "/data", oci.MountFlags{}, "/data/cwd", fifo, "/data/later", "/data/fifo", once},
		{"a working directory", "/data", readonly, "//data/cwd", nil, "/other", "/data/cwd", covered},
		{"a node", "/data", readonly, "/", fifo, "/other", "/data/fifo", covered},
		{"links", "/dev", readonly, "/", nil, "/other", "/dev/stdin", covered},
		{"a mount", "/data", readonly, "/", nil, "/data/later", "/data/later", covered},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRootBox(t, nil, func(b *rootBox) {
				b.plan.Mounts = []oci.Mount{tmpfs(c.dest, c.flags), tmpfs(c.later, readonly)}
				b.plan.Devices, b.plan.Process.Cwd = c.devices, c.cwd
				if err := b.build(); err != nil {
					t.Error(err)
					return
				}
				if got := b.mounts(c.dest); got != c.want {
					t.Errorf("mounted: %s; want %s", got, c.want)
				}
				if _, err := os.Lstat(b.in(c.there)); err != nil {
					t.Error(err)
				}
				if c.flags.Readonly {
					b.wantWrite(c.dest+"/new", unix.EROFS)
				}
			})
		})
	}
}

// What is mounted read-only from the host is not written to before.
func TestReadonlyBindIsNotFurnished(t *testing.T) {
	inRootBox(t, []string{"vol/v"}, func(b *rootBox) {
		b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/dev", Type: oci.MountBind, Source: "vol", Flags: oci.MountFlags{Readonly: true}}}
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		if left, err := os.ReadDir(filepath.Join(b.bundle, "vol")); err != nil || len(left) != 1 {
			t.Errorf("the host's directory has %v, %v; want v alone", left, err)
		}
	})
}

// A tmpfs with the directory's content that could not be mounted is an error, and
// one that is writable is not covered.
func TestTmpfsWithContent(t *testing.T) {
	inRootBox(t, []string{"rootfs/var/f"}, func(b *rootBox) {
		b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/var", Type: oci.MountTmpfs, Tmpfs: oci.Tmpfs{CopyUp: true, HasMode: true, Mode: 0o700}}}
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		b.want("/var/f", "rootfs/var/f")
		b.wantWrite("/var/new", nil)
		if got := b.mounts("/var"); got != fsTmpfs {
			t.Errorf("mounted: %s; want one tmpfs", got)
		}
		if fi, err := os.Stat(b.in("/var")); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("mode of the tmpfs = %v, %v; want 0700", fi.Mode(), err)
		}
		if err := b.unmount(); err != nil {
			t.Error(err)
		}
		b.plan.Mounts[0].Flags.Readonly = true
		b.kernel.refuse = func(m hostMount, _ string) error {
			if m.kind == fsTmpfs {
				return unix.ENOMEM
			}
			return nil
		}
		if err := b.build(); !errors.Is(err, unix.ENOMEM) {
			t.Errorf("build = %v; want ENOMEM", err)
		}
	})
}

// The mount that the kernel has made must be the one that was asked for, for the
// root as for what is in it.
func TestOtherMountIsRefused(t *testing.T) {
	for _, p := range []string{"/", "/data"} {
		for want, lie := range map[string]func(e *mountEntry){
			"lies on a ffs":                     func(e *mountEntry) { e.kind = "ffs" },
			"mounted on /elsewhere":             func(e *mountEntry) { e.on = "/elsewhere" },
			"was mounted without the flags 0x8": func(e *mountEntry) { e.flags &^= mntNoSuid },
		} {
			t.Run(want+" "+p, func(t *testing.T) {
				inRootBox(t, []string{"vol/v"}, func(b *rootBox) {
					b.plan.Root.NoSuid = true
					b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/data", Type: oci.MountBind, Source: "vol", Flags: oci.MountFlags{NoSuid: true}}}
					b.kernel.lie = func(e *mountEntry) {
						if filepath.Clean(b.in(p)) == e.on {
							lie(e)
						}
					}
					err := b.build()
					b.kernel.lie = nil
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("build = %v; want an error with %q", err, want)
					}
				})
			})
		}
	}
}

// NetBSD names a mount as mount(2) was told, wherever that led: here to another
// directory, which the destination leads to as well by now.
func TestMountBehindAnotherNameIsRefused(t *testing.T) {
	inRootBox(t, []string{"vol/v", "rootfs/data/"}, func(b *rootBox) {
		b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/data", Type: oci.MountBind, Source: "vol"}}
		b.kernel.before = func(m hostMount, path string) {
			if path != b.in("/data") {
				return
			}
			if err := errors.Join(os.Rename(path, b.in("/moved")), os.Symlink("moved", path)); err != nil {
				t.Error(err)
			}
		}
		b.kernel.lie = func(e *mountEntry) {
			if e.on == b.in("/moved") {
				e.on = b.in("/data")
			}
		}
		if err := b.build(); err == nil || !strings.Contains(err.Error(), "/data leads to /moved now") {
			t.Errorf("build = %v; want the mount refused", err)
		}
		_ = unix.Unmount(b.in("/moved"), unix.MNT_DETACH)
	})
}

// The restrictions of the file system that the root lies on hold in the root.
func TestRootInheritsRestrictions(t *testing.T) {
	inRootBox(t, nil, func(b *rootBox) {
		if err := unix.Mount("tmpfs", b.source, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Unmount(b.source, 0) }()
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(b.in("/"), &fs); err != nil || fs.Flags&unix.ST_NOEXEC == 0 {
			t.Errorf("the root's noexec was lost: %#x, %v", fs.Flags, err)
		}
		if err := b.unmount(); err != nil {
			t.Error(err)
		}
	})
}

// As long as the kernel takes, and no longer.
func TestLongPaths(t *testing.T) {
	long := func(n int) string { return strings.Repeat("/"+strings.Repeat("d", 99), n/100+1)[:n] }
	for n, want := range map[int]string{kmod.MaxRoot: "make the root's mount point", kmod.MaxRoot + 1: "use a shorter --root"} {
		r := &Root{Kernel: crowded{}, Plan: &oci.Plan{Process: &oci.Process{}}, StateDir: long(n - len("/"+DirName))}
		if err := r.Build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a root of %d bytes: %v; want an error with %q", n, err, want)
		}
	}
	inRootBox(t, nil, func(b *rootBox) {
		mountsOf(b, oci.MountTmpfs, long(maxMountPath-len(b.in("/"))))
		if err := b.build(); err != nil {
			t.Errorf("a mount point of %d bytes: %v", maxMountPath, err)
		}
	})
}

// A directory is taken for the one that was looked at by both of its numbers.
func TestOpenSame(t *testing.T) {
	dir := t.TempDir()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dev, ino uint64
		same     bool
	}{{0, 0, true}, {1, 0, false}, {0, 1, false}} {
		other := st
		other.Dev += c.dev
		other.Ino += c.ino
		root, err := openSame(dir, &other)
		if (err == nil) != c.same || (root != nil) != c.same {
			t.Errorf("openSame = %v, %v; is it the same? %v", root, err, c.same)
		}
		if root != nil {
			_ = root.Close()
		}
	}
}

// A link in place of a kernel file system's directory, or of one's that is not
// mounted, stops the container.
func TestOrdinaryDirs(t *testing.T) {
	inRootBox(t, []string{"rootfs/other/", "rootfs/proc -> other", "rootfs/sys -> other", "rootfs/dangling -> /nowhere"}, func(b *rootBox) {
		for _, plan := range []oci.Plan{
			{Mounts: []oci.Mount{{Field: "mounts[0]", Destination: "/proc", Type: oci.MountProc}}},
			{OrdinaryDirs: []string{"/sys"}},
			{Mounts: []oci.Mount{{Field: "mounts[0]", Destination: "/dangling", Type: oci.MountProc}}},
			{OrdinaryDirs: []string{"/dangling/below"}},
		} {
			b.plan.Mounts, b.plan.OrdinaryDirs = plan.Mounts, plan.OrdinaryDirs
			if err := b.build(); err == nil || !strings.Contains(err.Error(), "must be an ordinary directory") {
				t.Errorf("%+v: build = %v", plan, err)
			}
			if err := b.unmount(); err != nil {
				t.Error(err)
			}
			_ = os.Remove(filepath.Join(b.state, DirName))
		}
	})
}

func TestTmpfsKeepsContent(t *testing.T) {
	inRootBox(t, []string{"rootfs/var/a/f", "rootfs/var/l -> a/f"}, func(b *rootBox) {
		b.plan.Mounts = []oci.Mount{{
			Field: "mounts[0]", Destination: "/var", Type: oci.MountTmpfs,
			Flags: oci.MountFlags{Readonly: true}, Tmpfs: oci.Tmpfs{CopyUp: true},
		}}
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		b.want("/var/l", "rootfs/var/a/f")
		b.wantWrite("/var/new", unix.EROFS)
		if fi, err := os.Stat(b.in("/var")); err != nil || fi.Mode().Perm() != 0o755 {
			t.Errorf("mode of the tmpfs = %v, %v; want the directory's 0755", fi.Mode(), err)
		}
	})
}

func TestImpossibleRootsSayTheWayOut(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(b *rootBox)
		want string
	}{
		{"masked file", func(b *rootBox) { b.plan.MaskedPaths = []string{"/etc/hosts"} }, "hide its directory"},
		{"read-only file", func(b *rootBox) { b.plan.ReadonlyPaths = []string{"/etc/hosts"} }, "name its directory"},
		{"device as source", func(b *rootBox) {
			b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/n", Type: oci.MountBind, Source: "/dev/null"}}
		}, "netbsd.devices"},
		{"missing source", func(b *rootBox) {
			b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/n", Type: oci.MountBind, Source: "nope"}}
		}, "mounts[0]"},
		{"file on a directory", func(b *rootBox) {
			b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/etc", Type: oci.MountBind, Source: "hosts"}}
		}, "not a plain file"},
		{"directory on a file", func(b *rootBox) {
			b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/etc/hosts", Type: oci.MountBind, Source: "vol"}}
		}, "the source " + "{bundle}/vol is a directory, and /etc/hosts in the root is a file"},
		{"tmpfs on a file", func(b *rootBox) { mountsOf(b, oci.MountTmpfs, "/etc/hosts") }, "(tmpfs on /etc/hosts): open "},
		{"default device of another type", func(b *rootBox) {
			b.plan.Devices = []oci.Device{{Field: "default", Path: "/dev/null", Default: true, Type: "b"}}
		}, "another type"},
		{"long path", func(b *rootBox) {
			b.plan.Mounts = []oci.Mount{{
				Field: "mounts[0]", Destination: strings.Repeat("/"+strings.Repeat("d", 200), 5), Type: oci.MountTmpfs,
			}}
		}, "the kernel takes 1023"},
		{"missing device", func(b *rootBox) {
			b.plan.Devices = []oci.Device{{Field: "netbsd.devices[0]", Path: "/dev/nope", Type: "c", Major: -1, Minor: -1}}
		}, "netbsd.devices[0]"},
		{"another file for a device", func(b *rootBox) {
			b.put("rootfs/dev/null")
			b.plan.Devices = []oci.Device{{Field: "default", Path: "/dev/null", Default: true, Type: "c"}}
		}, "another file there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRootBox(t, someFiles, func(b *rootBox) {
				c.set(b)
				want := strings.ReplaceAll(c.want, "{bundle}", b.bundle)
				if err := b.build(); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("build = %v; want an error with %q", err, want)
				}
			})
		})
	}
}

// The first ptyfs of the machine must not be a container's. What counts as the
// host's is its own /dev/pts, whatever else there is.
func TestPtyfsNeedsTheHosts(t *testing.T) {
	root := mountEntry{kind: "ffs", on: "/"}
	pty := func(on string) mountEntry { return mountEntry{kind: fsPty, on: on} }
	for _, c := range []struct {
		name  string
		table []mountEntry
		ok    bool
	}{
		{"nothing", []mountEntry{root}, false},
		{"the host's", []mountEntry{root, pty("/dev/pts")}, true},
		{"the host's among others", []mountEntry{root, pty("/chroot/dev/pts"), pty("/dev/pts"), pty("/s/b/rootfs/dev/pts")}, true},
		{"another chroot's", []mountEntry{root, pty("/chroot/dev/pts")}, false},
		{"another container's", []mountEntry{root, pty("/s/b/rootfs/dev/pts")}, false},
		{"elsewhere", []mountEntry{root, pty("/dev/pts2"), pty("/pts")}, false},
		{"below it", []mountEntry{root, pty("/dev/pts/0")}, false},
		{"another file system", []mountEntry{root, {kind: fsTmpfs, on: "/dev/pts"}}, false},
		// NetBSD leaves out what lies outside of the chroot that runcell is in,
		// and names the rest from there.
		{"in a chroot", []mountEntry{pty("/dev/pts")}, true},
		{"in a chroot without one", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRootBox(t, someFiles, func(b *rootBox) {
				b.kernel.host = c.table
				somePlan(b)
				err := b.build()
				if c.ok && err != nil || !c.ok && (err == nil || !strings.Contains(err.Error(), "host has no ptyfs")) {
					t.Errorf("build = %v; want success: %v, or an error about the host's ptyfs", err, c.ok)
				}
			})
		})
	}
}

// A root that is in use stays, and so does what is mounted below it.
func TestBusyRootIsNotForced(t *testing.T) {
	inRootBox(t, someFiles, func(b *rootBox) {
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		f, err := os.Open(b.in("/etc/hosts"))
		if err != nil {
			t.Error(err)
			return
		}
		patience := unmountPatience
		unmountPatience = 50 * time.Millisecond
		err = b.unmount()
		unmountPatience = patience
		_ = f.Close()
		if !errors.Is(err, unix.EBUSY) {
			t.Errorf("unmount of a busy root = %v; want EBUSY", err)
		}
		b.want("/etc/hosts", "rootfs/etc/hosts")
	})
}
