package runtime

// Mounts: their order, options, destinations and sources.

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/mount"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var mounts = []h.Case{
	{
		Name: "mounts/order", Clause: "config.md Mounts",
		Does: "mounts are made in the listed order: a later one is on top", Run: func(t *t) {
			t.WriteFile("a", "a", "name")
			t.WriteFile("b", "b", "name")
			lines := t.Probe(h.Bind(t.Path("a"), "/mnt"), h.Bind(t.Path("b"), "/mnt"), h.Do("read", "/mnt/name"))
			if got := t.Succeeds(lines, "read").Text; got != "b" {
				t.Errorf("the mount on top is %q", got)
			}
		},
	},
	{
		Name: "mounts/nested", Clause: "config.md Mounts",
		Does: "a mount inside an earlier mount is visible, inside a later one it is covered", Run: func(t *t) {
			t.WriteFile("seen", "a", "name")
			lines := t.Probe(h.Tmpfs("/one"), h.Bind(t.Path("a"), "/one/in"), h.Bind(t.Path("a"), "/two/in"), h.Tmpfs("/two"),
				h.Do("read", "/one/in/name", ";", "read", "/two/in/name"))
			t.Succeeds(lines, "read", "/one/in/name")
			t.Denied([]string{"ENOENT"}, lines, "read", "/two/in/name")
		},
	},
	{
		Name: "mounts/bind", Clause: "config.md Linux mount options, bind",
		Does: "a bind mount shows and changes the host's directory", Run: func(t *t) {
			t.WriteFile("host", "volume", "file")
			lines := t.Probe(h.Bind(t.Path("volume"), "/mnt", "rw"), h.Do("read", "/mnt/file", ";", "write", "/mnt/new", "inside"))
			if got := t.Succeeds(lines, "read").Text; got != "host" {
				t.Errorf("the file reads %q", got)
			}
			t.Succeeds(lines, "write")
			if got := t.ReadFile(t.Path("volume", "new")); got != "inside" {
				t.Errorf("the new file is %q outside", got)
			}
		},
	},
	{
		Name: "mounts/bind-readonly", Clause: "config.md Linux mount options, ro",
		Does: "a read-only bind mount can't be written, the host's directory can", Run: func(t *t) {
			volume := t.MkdirAll("volume")
			lines := t.Probe(h.Bind(volume, "/mnt", "ro"), h.Do("write", "/mnt/new", "x", ";", "mkdir", "/mnt/dir"))
			t.Denied(readonly, lines, "write")
			t.Denied(readonly, lines, "mkdir")
			t.WriteFile("still writable", "volume", "host")
		},
	},
	{
		Name: "mounts/bind-relative", Clause: "config.md Mounts, source",
		Does: "a relative bind source is relative to the bundle", Run: func(t *t) {
			b := t.Bundle(h.Bind("volume", "/mnt"), h.Do("read", "/mnt/file"))
			t.Must("make volume", os.Mkdir(b.File("volume"), 0o755))
			t.Must("write file", os.WriteFile(filepath.Join(b.Dir, "volume", "file"), []byte("text"), 0o644))
			t.Succeeds(t.ProbeBundle(b), "read")
		},
	},
	{
		Name: "mounts/bind-file", Clause: "config.md Mounts, source", OS: linux, Else: "NetBSD mounts directories only: a file is copied, see mounts/bind-file-copied",
		Does: "a file can be bound, on a destination that is made for it", Run: func(t *t) {
			file := t.WriteFile("host", "file")
			lines := t.Probe(h.Bind(file, "/etc/bound", "ro"), h.Do("read", "/etc/bound", ";", "write", "/etc/bound", "x"))
			if got := t.Succeeds(lines, "read").Text; got != "host" {
				t.Errorf("the file reads %q", got)
			}
			t.Denied(readonly, lines, "write")
		},
	},
	{
		Name: "mounts/rbind", Clause: "config.md Linux mount options, rbind",
		Does: "rbind shows mounts below the source, bind does not", Run: func(t *t) {
			inner := t.MkdirAll("volume", "inner")
			t.Must("mount tmpfs", mount.Tmpfs(inner, 0o755))
			t.Cleanup(func() { _ = detach(inner) })
			t.WriteFile("inner", "volume", "inner", "file")
			lines := t.Probe(h.Mount("/one", "bind", t.Path("volume"), "rbind"), h.Bind(t.Path("volume"), "/two"),
				h.Do("read", "/one/inner/file", ";", "read", "/two/inner/file"))
			t.Succeeds(lines, "read", "/one/inner/file")
			t.Denied([]string{"ENOENT"}, lines, "read", "/two/inner/file")
		},
	},
	{
		Name: "mounts/flags", Clause: "config.md Linux mount options, nodev, noexec",
		Does: "noexec and nodev hold on bind mounts and tmpfs", Run: func(t *t) {
			volume := t.MkdirAll("volume")
			lines := t.Probe(h.Tmpfs("/one", "noexec"), h.Bind(volume, "/two", "noexec"), h.Tmpfs("/three"),
				h.Do("copy", "/one/p", ";", "copy", "/two/p", ";", "copy", "/three/p", ";", "exec", "/one/p", ";", "exec", "/two/p", ";", "exec", "/three/p"))
			t.Denied([]string{"EACCES"}, lines, "exec", "/one/p")
			t.Denied([]string{"EACCES"}, lines, "exec", "/two/p")
			t.Succeeds(lines, "exec", "/three/p")
		},
	},
	{
		Name: "mounts/flags-shown", Clause: "config.md Linux mount options",
		Does: "the mount table inside shows ro, nosuid, nodev, noexec", Run: func(t *t) {
			f := t.Facts(h.Bind(t.MkdirAll("volume"), "/one", "ro", "nosuid", "nodev", "noexec"), h.Tmpfs("/two", "ro", "nosuid", "nodev", "noexec"))
			for _, destination := range []string{"/one", "/two"} {
				found := false
				for _, m := range f.Mounts {
					if m.Destination != destination {
						continue
					}
					found = true
					for _, want := range []string{"ro", "nosuid", "nodev", "noexec"} {
						if !slices.Contains(strings.Split(m.Options, ","), want) {
							t.Errorf("%s has options %s, want %s", destination, m.Options, want)
						}
					}
				}
				if !found {
					t.Errorf("%s is not in the mount table", destination)
				}
			}
		},
	},
	{
		Name: "mounts/tmpfs", Clause: "config.md Linux mount options, filesystem-specific",
		Does: "a tmpfs is empty and has the configured size and mode", Run: func(t *t) {
			lines := t.Probe(h.Tmpfs("/etc", "size=1024k", "mode=751"), h.Do("ls", "/etc", ";", "size", "/etc", ";", "stat", "/etc"))
			if size, _, _ := strings.Cut(t.Succeeds(lines, "size").Text, " "); size != "1048576" {
				t.Errorf("size is %s", size)
			}
			if st := t.Succeeds(lines, "stat").Stat; st.Perm != 0o751 {
				t.Errorf("mode is %#o", st.Perm)
			}
			if names := t.Succeeds(lines, "ls").Names; len(names) > 0 {
				t.Errorf("the tmpfs has %q", names)
			}
		},
	},
	{
		Name: "mounts/tmpfs-owner", Clause: "config.md Linux mount options, filesystem-specific",
		Does: "a tmpfs has the configured owner", Run: func(t *t) {
			lines := t.Probe(h.Tmpfs("/mnt", "uid=1000", "gid=1001", "mode=700"), h.Do("stat", "/mnt"))
			if st := t.Succeeds(lines, "stat").Stat; st.UID != 1000 || st.GID != 1001 {
				t.Errorf("owner is %d:%d", st.UID, st.GID)
			}
		},
	},
	{
		Name: "mounts/tmpcopyup-readonly", Clause: "config.md Linux mount options, tmpcopyup",
		Does: "tmpcopyup with ro keeps the content and can't be written", Run: func(t *t) {
			b := t.Bundle(h.Tmpfs("/etc", "tmpcopyup", "ro"), h.Do("read", "/etc/old", ";", "write", "/etc/new", "x"))
			t.Must("write file", os.WriteFile(b.RootFS("etc", "old"), []byte("text"), 0o644))
			lines := t.ProbeBundle(b)
			if got := t.Succeeds(lines, "read").Text; got != "text" {
				t.Errorf("the file reads %q", got)
			}
			t.Denied(readonly, lines, "write")
		},
	},
	{
		Name: "mounts/tmpcopyup", Clause: "config.md Linux mount options, tmpcopyup",
		Does: "tmpcopyup keeps the directory's content, and the original is not changed", Run: func(t *t) {
			b := t.Bundle(h.Tmpfs("/etc", "tmpcopyup"), h.Do("read", "/etc/old", ";", "write", "/etc/new", "x"))
			t.Must("write file", os.WriteFile(b.RootFS("etc", "old"), []byte("old"), 0o644))
			lines := t.ProbeBundle(b)
			t.Succeeds(lines, "read")
			t.Succeeds(lines, "write")
			if h.Exists(b.RootFS("etc", "new")) {
				t.Errorf("the new file is in the root filesystem")
			}
		},
	},
	{
		Name: "mounts/destination-made", Clause: "runc, podman: missing destinations",
		Does: "a destination that does not exist is made, with its parents", Run: func(t *t) {
			lines := t.Probe(h.Tmpfs("/not/there/yet"), h.Do("write", "/not/there/yet/file", "x"))
			t.Succeeds(lines, "write")
		},
	},
	{
		Name: "mounts/destination-symlink", Clause: "attack CVE-2021-30465; config.md Mounts, destination",
		Does: "an absolute symlink in the destination is followed inside the root", Run: func(t *t) {
			outside := t.MkdirAll("outside")
			b := t.Bundle(h.Tmpfs("/link/made"), h.Do("write", "/link/made/file", "x"))
			t.Must("make link", os.Symlink(outside, b.RootFS("link")))
			r := t.Try("run", "--bundle", b.Dir, t.ID())
			if names := entries(t, outside); len(names) > 0 {
				t.Errorf("made on the host: %v", names)
			}
			if r.Code == 0 && !h.Exists(b.RootFS(outside, "made")) {
				t.Errorf("the destination was not made inside the root: %s", r)
			}
		},
	},
	{
		Name: "mounts/destination-parent-symlink", Clause: "attack CVE-2021-30465",
		Does: "a relative symlink with .. in the destination stays inside the root", Run: func(t *t) {
			outside := t.MkdirAll("outside")
			b := t.Bundle(h.Bind(t.MkdirAll("volume"), "/link/made"), h.Do("mark", "ran"))
			t.Must("make link", os.Symlink("../../outside", b.RootFS("link")))
			t.Try("run", "--bundle", b.Dir, t.ID())
			if names := entries(t, outside); len(names) > 0 {
				t.Errorf("made on the host: %v", names)
			}
		},
	},
	{
		Name: "mounts/destination-dotdot", Clause: "config.md Mounts, destination",
		Does: ".. in a destination stays inside the root", Run: func(t *t) {
			outside := t.MkdirAll("outside")
			b := t.Bundle(h.Tmpfs("/../../../../../.."+outside+"/made"), h.Do("mark", "ran"))
			t.Try("run", "--bundle", b.Dir, t.ID())
			if names := entries(t, outside); len(names) > 0 {
				t.Errorf("made on the host: %v", names)
			}
		},
	},
	{
		Name: "mounts/destination-relative", Clause: "config.md Mounts, destination",
		Does: "a relative destination is relative to /, or an error", Run: func(t *t) {
			b := t.Bundle(h.Tmpfs("mnt/relative"), h.Do("write", "/mnt/relative/file", "x"), h.Readonly)
			t.Must("make destination", os.MkdirAll(b.RootFS("mnt", "relative"), 0o755))
			if r := t.Try("run", "--bundle", b.Dir, t.ID()); r.Code == 0 {
				t.Succeeds(h.ParseLines(r.Stdout), "write")
			}
		},
	},
	{
		Name: "mounts/private", Clause: "config-linux.md Namespaces, mount", OS: linux, Else: "NetBSD has one mount table for all: the mounts are below the state directory",
		Does: "none of the container's mounts is seen on a host with shared mounts", Run: func(t *t) {
			c := t.Running(h.Idle, h.Tmpfs("/mnt"), h.Bind(t.MkdirAll("volume"), "/log"))
			for _, m := range t.NewMounts() {
				if strings.HasPrefix(m, c.Bundle.Dir) {
					t.Errorf("the host sees a mount on %s", strings.TrimPrefix(m, t.Dir))
				}
			}
		},
	},
	{
		Name: "mounts/table-inside", Clause: "config-linux.md Namespaces, mount",
		Does: "the mount table inside shows no mount of the host", Run: func(t *t) {
			for _, m := range t.Facts().Mounts {
				top := strings.SplitN(m.Destination, "/", 3)[1]
				if !slices.Contains([]string{"", "proc", "dev", "sys"}, top) {
					t.Errorf("a mount on %s is seen inside", m.Destination)
				}
			}
		},
	},
	{
		Name: "mounts/source-name", Clause: "config.md Mounts, source", OS: linux, Else: "NetBSD's tmpfs, procfs and ptyfs give themselves a name",
		Does: "the mount table inside names tmpfs, proc and devpts as the source does", Run: func(t *t) {
			want := map[string]string{}
			f := t.Facts(func(s *specs.Spec) {
				for i := range s.Mounts {
					m := &s.Mounts[i]
					m.Source = "name-" + strconv.Itoa(i)
					want[m.Destination] = m.Source
				}
			})
			got := map[string]string{}
			for _, m := range f.Mounts {
				if want[m.Destination] != "" {
					got[m.Destination] = m.Source
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("the sources are %v; want %v", got, want)
			}
		},
	},
	{
		Name: "mounts/podmans-options", Clause: "podman: mount options",
		Does: "the options that podman always passes are accepted", Run: func(t *t) {
			lines := t.Probe(h.Mount("/mnt", "bind", t.MkdirAll("volume"), "rbind", "rw", "rprivate", "nosuid", "nodev", "noexec", "relatime"),
				h.Tmpfs("/run", "rw", "rprivate", "nosuid", "nodev", "tmpcopyup"), h.Do("mark", "ran"))
			t.Succeeds(lines, "mark")
		},
	},
	{
		Name: "mounts/usual-linux-mounts", Clause: "config-linux.md Default Filesystems; podman, containerd",
		Does: "the mounts that Linux callers always pass do not stop a container", Run: func(t *t) {
			lines := t.Probe(
				h.Mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
				h.Mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
				h.Mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
				h.Mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
				h.Do("mark", "ran", ";", "write", "/dev/shm/file", "x"))
			t.Succeeds(lines, "mark")
			t.Succeeds(lines, "write")
		},
	},
	{
		Name: "mounts/proc", Clause: "config-linux.md Default Filesystems", OS: linux, Else: "a cell has the host's pids, see mounts/proc-members",
		Does: "/proc is the container's own", Run: func(t *t) {
			if got := t.Succeeds(t.Probe(h.Do("readlink", "/proc/self")), "readlink").Text; got != "1" {
				t.Errorf("/proc/self is %q", got)
			}
		},
	},
	{
		Name: "mounts/proc-symlinked", Clause: "attack CVE-2019-19921, CVE-2023-27561", OS: linux, Else: "nothing is decided by what the cell's /proc says: NetBSD's runtime does not read it",
		Does: "an image whose /proc is a symlink is refused, or the container gets a real one", Run: func(t *t) {
			b := t.Bundle(h.Do("readlink", "/proc/self"))
			t.Must("remove proc", os.RemoveAll(b.RootFS("proc")))
			t.Must("make link", os.Symlink("/tmp", b.RootFS("proc")))
			if r := t.Try("run", "--bundle", b.Dir, t.ID()); r.Code == 0 {
				t.Succeeds(h.ParseLines(r.Stdout), "readlink")
			}
		},
	},
}
