package runtime

// Mounts in each other, twice, on what they do not fit, and in odd words.

import (
	"os"
	"slices"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/mount"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// withOption adds an option to the mount on a destination.
func withOption(destination, option string) mod {
	return func(s *specs.Spec) {
		for i := range s.Mounts {
			if s.Mounts[i].Destination == destination {
				s.Mounts[i].Options = append(slices.Clone(s.Mounts[i].Options), option)
			}
		}
	}
}

// withInner makes a volume with a tmpfs mounted in it.
func withInner(t *t) (volume string) {
	inner := t.MkdirAll("volume", "inner")
	t.Must("mount tmpfs", mount.Tmpfs(inner, 0o755))
	t.Cleanup(func() { _ = detach(inner) })
	return t.Path("volume")
}

var mountKinds = []h.Case{
	{
		Name: "mounts/tmpfs-readonly-below", Clause: "config.md Mounts; runc, crun: a read-only tmpfs",
		Does: "a read-only tmpfs can have mounts below it, which are as they are", Run: func(t *t) {
			lines := t.Probe(h.Tmpfs("/data", "ro"), h.Bind(t.MkdirAll("volume"), "/data/sub", "rw"), h.Tmpfs("/data/sub/in"),
				h.Do("write", "/data/new", "x", ";", "write", "/data/sub/new", "x", ";", "write", "/data/sub/in/new", "x"))
			t.Denied(readonly, lines, "write", "/data/new")
			t.Succeeds(lines, "write", "/data/sub/new")
			t.Succeeds(lines, "write", "/data/sub/in/new")
		},
	},
	{
		Name: "mounts/dev-readonly", Clause: "runc: ro /dev mount",
		Does: "/dev can be read-only, with its devices and terminals", Run: func(t *t) {
			lines := t.Probe(withOption("/dev", "ro"), h.Do("write", "/dev/new", "x", ";", "write", "/dev/null", "x", ";", "open", "/dev/ptmx", "rw"))
			t.Denied(readonly, lines, "write", "/dev/new")
			t.Succeeds(lines, "write", "/dev/null")
			t.Succeeds(lines, "open", "/dev/ptmx")
		},
	},
	{
		Name: "mounts/proc-twice", Clause: "config.md Mounts",
		Does: "each of two proc mounts shows the processes", Run: func(t *t) {
			lines := t.Probe(withProc, h.Mount("/mnt/proc", "proc", "proc", "ro"), h.Do("ls", "/proc", ";", "ls", "/mnt/proc"))
			for _, dir := range []string{"/proc", "/mnt/proc"} {
				if names := t.Succeeds(lines, "ls", dir).Names; !slices.Contains(names, "self") && !slices.Contains(names, "curproc") {
					t.Errorf("%s has %q", dir, names)
				}
			}
		},
	},
	{
		Name: "mounts/proc-elsewhere", Clause: "attack CVE-2019-16884, CVE-2019-19921",
		Does: "an image whose /proc leads to a volume is refused", Run: func(t *t) {
			volume := t.MkdirAll("volume")
			b := t.Bundle(h.Idle, withProc, func(s *specs.Spec) {
				s.Mounts = append([]specs.Mount{{Destination: "/vol", Type: "bind", Source: volume, Options: []string{"bind"}}}, s.Mounts...)
			})
			t.Must("remove proc", os.RemoveAll(b.RootFS("proc")))
			t.Must("make link", os.Symlink("/vol", b.RootFS("proc")))
			refusedCreate(t, b)
		},
	},
	{
		Name: "mounts/sys-elsewhere", Clause: "runc: mask.bats, a symlinked /sys",
		Does: "so is one whose /sys is a link where sysfs is asked for", Run: func(t *t) {
			b := t.Bundle(h.Idle, h.Mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"))
			t.Must("remove sys", os.RemoveAll(b.RootFS("sys")))
			t.Must("make link", os.Symlink("/etc", b.RootFS("sys")))
			refusedCreate(t, b)
		},
	},
	{
		Name: "mounts/rbind-readonly", Clause: "config.md Linux mount options, ro and rro",
		Does: "ro is of the mount itself and not of those below it", Run: func(t *t) {
			lines := t.Probe(h.Mount("/one", "bind", withInner(t), "rbind", "ro"), h.Do("write", "/one/new", "x", ";", "write", "/one/inner/new", "x"))
			t.Denied(readonly, lines, "write", "/one/new")
			t.Succeeds(lines, "write", "/one/inner/new")
		},
	},
	{
		Name: "mounts/rro", Clause: "config.md Linux mount options, ro and rro",
		Does: "rro is of those below too", Run: func(t *t) {
			lines := t.Probe(h.Mount("/one", "bind", withInner(t), "rbind", "rro"), h.Do("write", "/one/new", "x", ";", "write", "/one/inner/new", "x"))
			t.Denied(readonly, lines, "write", "/one/new")
			t.Denied(readonly, lines, "write", "/one/inner/new")
		},
	},
	{
		Name: "mounts/strictatime", Clause: "config.md Linux mount options, strictatime", OS: linux, Else: "NetBSD's access times are strict unless noatime says otherwise",
		Does: "strictatime is neither relatime nor noatime", Run: func(t *t) {
			for _, m := range t.Facts(h.Tmpfs("/one", "strictatime"), h.Bind(t.MkdirAll("volume"), "/two", "strictatime")).Mounts {
				if m.Destination == "/one" || m.Destination == "/two" {
					for _, o := range strings.Split(m.Options, ",") {
						if o == "relatime" || o == "noatime" {
							t.Errorf("%s has %s", m.Destination, m.Options)
						}
					}
				}
			}
		},
	},
	{
		Name: "mounts/tmpfs-unlimited", Clause: "tmpfs(5): size=0 is no limit",
		Does: "size=0 is accepted, and does not leave an empty file system", Run: func(t *t) {
			t.Succeeds(t.Probe(h.Tmpfs("/data", "size=0"), h.Do("write", "/data/new", "x")), "write")
		},
	},
	{
		Name: "mounts/options-in-one", Clause: "mount(8): options with commas between",
		Does: "options in one string are options", Run: func(t *t) {
			lines := t.Probe(h.Tmpfs("/data", "size=1024k,mode=751"), h.Do("stat", "/data", ";", "size", "/data"))
			if st := t.Succeeds(lines, "stat").Stat; st.Perm != 0o751 {
				t.Errorf("mode is %#o", st.Perm)
			}
			if size, _, _ := strings.Cut(t.Succeeds(lines, "size").Text, " "); size != "1048576" {
				t.Errorf("size is %s", size)
			}
		},
	},
	{
		Name: "mounts/file-on-directory", Clause: "mount(2): ENOTDIR",
		Does: "a file on a directory is an error that names both", Run: func(t *t) {
			file := t.WriteFile("host", "file")
			checkBoth(t, refusedCreate(t, t.Bundle(h.Idle, h.Bind(file, "/etc"))), file, "etc")
		},
	},
	{
		Name: "mounts/directory-on-file", Clause: "mount(2): ENOTDIR",
		Does: "so is a directory on a file", Run: func(t *t) {
			dir := t.MkdirAll("volume")
			b := t.Bundle(h.Idle, h.Bind(dir, "/etc/file"))
			t.Must("write file", os.WriteFile(b.RootFS("etc", "file"), nil, 0o644))
			checkBoth(t, refusedCreate(t, b), dir, "etc/file")
		},
	},
	{
		Name: "paths/readonly-root", Clause: "config-linux.md Readonly Paths",
		Does: "readonlyPaths with the root itself is refused, or the root can't be written", Run: func(t *t) {
			for _, path := range []string{"/", "/link"} {
				b := t.Bundle(h.Do("write", "/etc/new", "x"))
				t.Must("make link", os.Symlink("/", b.RootFS("link")))
				b.Edit(maskedPaths("readonlyPaths", path))
				if r := t.Try("run", "--bundle", b.Dir, t.ID()); r.Code == 0 {
					t.Denied(readonly, h.ParseLines(r.Stdout), "write")
				}
			}
		},
	},
	{
		Name: "paths/masked-root", Clause: "config-linux.md Masked Paths",
		Does: "maskedPaths with the root itself is refused, or nothing is seen", Run: func(t *t) {
			b := t.Bundle(h.Do("ls", "/"))
			b.Edit(maskedPaths("maskedPaths", "/"))
			if r := t.Try("run", "--bundle", b.Dir, t.ID()); r.Code == 0 && len(t.Line(h.ParseLines(r.Stdout), "ls").Names) > 0 {
				t.Errorf("the container ran with all in view: %s", r)
			}
		},
	},
	{
		Name: "paths/masked-twice", Clause: "config-linux.md Masked Paths; runc: mask.bats",
		Does: "a path that is given twice is masked once", Run: func(t *t) {
			b := t.Bundle(h.Do("facts"))
			t.Must("make directory", os.MkdirAll(b.RootFS("etc", "hidden"), 0o755))
			b.Edit(maskedPaths("maskedPaths", "/etc/hidden", "/etc/hidden/", "/etc/hidden"))
			n := 0
			for _, m := range t.Line(t.ProbeBundle(b), "facts").Facts.Mounts {
				if m.Destination == "/etc/hidden" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d mounts are on it", n)
			}
		},
	},
}

// checkBoth looks for all words in an error.
func checkBoth(t *t, r h.CmdResult, words ...string) {
	for _, w := range words {
		checkText(t, r, w)
	}
}
