package runtime

// The root filesystem, /dev, masked and read-only paths.

import (
	"fmt"
	"os"
	"path/filepath"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var readonly = []string{"EROFS"}

var root = []h.Case{
	{
		Name: "root/writable", Clause: "config.md Root, readonly",
		Does: "the root is writable by default, and what is written is in the bundle", Run: func(t *t) {
			b := t.Bundle(h.Do("write", "/etc/new", "inside"))
			t.Succeeds(t.ProbeBundle(b), "write")
			if got := t.ReadFile(b.RootFS("etc", "new")); got != "inside" {
				t.Errorf("the file is %q outside", got)
			}
		},
	},
	{
		Name: "root/readonly", Clause: "config.md Root, readonly",
		Does: "a read-only root can't be written", Run: func(t *t) {
			lines := t.Probe(h.Readonly, h.Do("write", "/etc/new", "x", ";", "mkdir", "/new", ";", "remove", h.ProbePath))
			for _, op := range []string{"write", "mkdir", "remove"} {
				t.Denied(readonly, lines, op)
			}
		},
	},
	{
		Name: "root/readonly-mounts", Clause: "config.md Root and Mounts",
		Does: "mounts in a read-only root stay writable", Run: func(t *t) {
			volume := t.MkdirAll("volume")
			lines := t.Probe(h.Readonly, h.Tmpfs("/tmp"), h.Bind(volume, "/log", "rw"),
				h.Do("write", "/tmp/new", "x", ";", "write", "/log/new", "x"))
			t.Succeeds(lines, "write", "/tmp/new")
			t.Succeeds(lines, "write", "/log/new")
		},
	},
	{
		Name: "root/readonly-host", Clause: "runtime.md Errors",
		Does: "a read-only root does not make the host's directory read-only", Run: func(t *t) {
			c := t.Running(h.Readonly, h.Idle)
			t.Must("write into the rootfs", os.WriteFile(c.Bundle.RootFS("etc", "host"), nil, 0o644))
		},
	},
	{
		Name: "root/absolute-path", Clause: "config.md Root, path",
		Does: "root.path may be absolute", Run: func(t *t) {
			b := t.Bundle(h.Do("mark", "ran"))
			b.Spec.Root.Path = b.RootFS()
			b.Write()
			t.Succeeds(t.ProbeBundle(b), "mark")
		},
	},
	{
		Name: "root/outside-bundle", Clause: "config.md Root, path",
		Does: "root.path may be outside of the bundle, relative to it", Run: func(t *t) {
			b := t.Bundle(h.Do("mark", "ran"))
			t.Must("move rootfs", os.Rename(b.RootFS(), t.Path("elsewhere")))
			b.Spec.Root.Path = "../elsewhere"
			b.Write()
			t.Succeeds(t.ProbeBundle(b), "mark")
		},
	},
	{
		Name: "root/parent", Clause: "config.md Root",
		Does: "/.. is / and files of the host are not there", Run: func(t *t) {
			host := t.WriteFile("host", "host")
			lines := t.Probe(h.Do("stat", "/", ";", "stat", "/..", ";", "read", host, ";", "read", "/../../../../.."+host))
			if a, b := t.Line(lines, "stat", "/").Stat, t.Line(lines, "stat", "/..").Stat; a.Ino != b.Ino || a.Dev != b.Dev {
				t.Errorf("/ is %+v, /.. is %+v", a, b)
			}
			for _, path := range []string{host, "/../../../../.." + host} {
				t.Denied([]string{"ENOENT"}, lines, "read", path)
			}
		},
	},
	{
		Name: "root/mode-kept", Clause: "config.md Root",
		Does: "the root directory keeps its mode and owner", Run: func(t *t) {
			b := t.Bundle(h.Do("stat", "/"))
			t.Must("chmod", os.Chmod(b.RootFS(), 0o751))
			if st := t.Line(t.ProbeBundle(b), "stat").Stat; st.Perm != 0o751 {
				t.Errorf("mode is %#o", st.Perm)
			}
		},
	},
	{
		Name: "paths/masked", Clause: "config-linux.md Masked Paths",
		Does: "a masked directory shows nothing, a missing one is no error", Run: func(t *t) {
			b := t.Bundle(h.Do("ls", "/etc/dir"))
			t.Must("make directory", os.Mkdir(b.RootFS("etc", "dir"), 0o755))
			t.Must("write file", os.WriteFile(b.RootFS("/etc/dir/secret"), []byte("secret"), 0o644))
			b.Edit(maskedPaths("maskedPaths", "/etc/dir", "/etc/missing"))
			lines := t.ProbeBundle(b)
			if line := t.Line(lines, "ls"); len(line.Names) > 0 {
				t.Errorf("the masked directory shows %q", line.Names)
			}
		},
	},
	{
		Name: "paths/masked-file", Clause: "config-linux.md Masked Paths",
		Does: "a masked file can't be read", Run: func(t *t) {
			b := t.Bundle(h.Do("read", "/etc/secret"))
			t.Must("write file", os.WriteFile(b.RootFS("/etc/secret"), []byte("secret"), 0o644))
			b.Edit(maskedPaths("maskedPaths", "/etc/secret"))
			if line := t.Line(t.ProbeBundle(b), "read"); line.Text != "" {
				t.Errorf("the masked file reads %q", line.Text)
			}
		},
	},
	{
		Name: "paths/readonly", Clause: "config-linux.md Readonly Paths",
		Does: "a read-only path can be read and not written, a missing one is no error", Run: func(t *t) {
			b := t.Bundle(h.Do("read", "/etc/ro/file", ";", "write", "/etc/ro/new", "x", ";", "write", "/etc/rw", "x"))
			t.Must("make directory", os.Mkdir(b.RootFS("etc", "ro"), 0o755))
			t.Must("write file", os.WriteFile(b.RootFS("etc", "ro", "file"), []byte("text"), 0o644))
			b.Edit(maskedPaths("readonlyPaths", "/etc/ro", "/etc/missing"))
			lines := t.ProbeBundle(b)
			t.Succeeds(lines, "read")
			t.Denied(readonly, lines, "write", "/etc/ro/new")
			t.Succeeds(lines, "write", "/etc/rw")
		},
	},
	{
		Name: "dev/default-devices", Clause: "config-linux.md Default Devices",
		Does: "null, zero, full, random, urandom and tty are there and open", Run: func(t *t) {
			ops := []string{"facts"}
			names := []string{"null", "zero", "full", "random", "urandom"}
			for _, name := range append(names, "tty") {
				ops = append(ops, ";", "stat", "/dev/"+name, ";", "open", "/dev/"+name, "rw")
			}
			lines := t.Probe(h.Do(ops...))
			for _, name := range append(names, "tty") {
				if st := t.Succeeds(lines, "stat", "/dev/"+name).Stat; st == nil || st.Type != "char" || st.Perm&0o666 != 0o666 {
					t.Errorf("/dev/%s is %+v", name, st)
				}
			}
			for _, name := range names {
				t.Succeeds(lines, "open", "/dev/"+name)
			}
		},
	},
	{
		Name: "dev/same-as-host", Clause: "config-linux.md Default Devices",
		Does: "/dev/null is the host's device, and swallows what is written", Run: func(t *t) {
			lines := t.Probe(h.Do("stat", "/dev/null", ";", "write", "/dev/null", "x", ";", "read", "/dev/null"))
			want := hostDevice(t, "/dev/null")
			if st := t.Succeeds(lines, "stat").Stat; st.Rdev != want {
				t.Errorf("device number is %d, want %d", st.Rdev, want)
			}
			t.Succeeds(lines, "write")
			if got := t.Succeeds(lines, "read").Text; got != "" {
				t.Errorf("/dev/null reads %q", got)
			}
		},
	},
	{
		Name: "dev/symlinks", Clause: "runtime-linux.md Dev symbolic links",
		Does: "fd, stdin, stdout and stderr lead to /proc/self/fd", Run: func(t *t) {
			lines := t.Probe(h.Do("readlink", "/dev/fd", ";", "readlink", "/dev/stdin", ";", "readlink", "/dev/stdout", ";", "readlink", "/dev/stderr"))
			for link, want := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
				if got := t.Line(lines, "readlink", "/dev/"+link).Text; got != want {
					t.Errorf("/dev/%s leads to %q", link, got)
				}
			}
		},
	},
	{
		Name: "dev/ptmx", Clause: "config-linux.md Default Devices",
		Does: "/dev/ptmx opens the container's own terminals", Run: func(t *t) {
			t.Succeeds(t.Probe(h.Do("open", "/dev/ptmx", "rw")), "open")
		},
	},
	{
		Name: "dev/no-host-disks", Clause: "config-linux.md Devices",
		Does: "no block device is in /dev", Run: func(t *t) {
			lines := t.Probe(h.Do("ls", "/dev"))
			allowed := map[string]bool{}
			for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "console", "ptm", "ptmx", "pts", "fd", "stdin", "stdout", "stderr", "shm", "mqueue", "core"} {
				allowed[name] = true
			}
			for _, name := range t.Succeeds(lines, "ls").Names {
				if !allowed[name] {
					t.Errorf("/dev/%s was not asked for", name)
				}
			}
		},
	},
	{
		Name: "dev/configured", Clause: "config-linux.md Devices", OS: linux, Else: "device numbers differ from port to port: a device is taken by its name from netbsd.devices, see dev/by-name",
		Does: "a configured device has its number, mode and owner", Run: func(t *t) {
			mode, id := os.FileMode(0o640), uint32(1000)
			b := t.Bundle(h.Do("stat", "/dev/mine"))
			b.Spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/mine", Type: "c", Major: 1, Minor: 3, FileMode: &mode, UID: &id, GID: &id}}
			b.Write()
			st := t.Succeeds(t.ProbeBundle(b), "stat").Stat
			if st == nil || st.Type != "char" || st.Perm != 0o640 || st.UID != id || st.GID != id || st.Rdev != hostDevice(t, "/dev/null") {
				t.Errorf("/dev/mine is %+v", st)
			}
		},
	},
	{
		Name: "dev/symlinked-in-image", Clause: "attack CVE-2026-41579, CVE-2026-47766",
		Does: "an image whose /dev is a symlink does not make devices on the host", Run: func(t *t) {
			outside := t.MkdirAll("outside")
			b := t.Bundle(h.Do("mark", "ran"))
			t.Must("remove dev", os.RemoveAll(b.RootFS("dev")))
			t.Must("link dev", os.Symlink(outside, b.RootFS("dev")))
			t.Try("run", "--bundle", b.Dir, t.ID()) // running or not are both fine
			if names := entries(t, outside); len(names) > 0 {
				t.Errorf("made on the host: %v", names)
			}
		},
	},
	{
		Name: "dev/symlinked-no-mount", Clause: "attack CVE-2026-41579, CVE-2026-47766",
		Does: "nor does it without a mount on /dev", Run: func(t *t) {
			outside := t.MkdirAll("outside")
			b := t.Bundle(h.Do("mark", "ran"), func(s *specs.Spec) { s.Mounts = s.Mounts[:0] })
			t.Must("remove dev", os.RemoveAll(b.RootFS("dev")))
			t.Must("link dev", os.Symlink(outside, b.RootFS("dev")))
			t.Try("run", "--bundle", b.Dir, t.ID())
			if names := entries(t, outside); len(names) > 0 {
				t.Errorf("made on the host: %v", names)
			}
		},
	},
	{
		Name: "dev/null-symlinked", Clause: "attack CVE-2025-31133",
		Does: "an image's /dev/null that is a symlink does not give away what masks a path", Run: func(t *t) {
			host := t.WriteFile("host", "host")
			b := t.Bundle(h.Do("write", "/etc/masked", "overwritten"), func(s *specs.Spec) { s.Mounts = s.Mounts[:0] })
			t.Must("write file", os.WriteFile(b.RootFS("etc", "masked"), nil, 0o644))
			t.Must("link null", os.Symlink(host, b.RootFS("dev", "null")))
			b.Edit(maskedPaths("maskedPaths", "/etc/masked"))
			t.Try("run", "--bundle", b.Dir, t.ID())
			if got := t.ReadFile(host); got != "host" {
				t.Errorf("the host's file is now %q", got)
			}
		},
	},
}

// maskedPaths sets linux.maskedPaths or linux.readonlyPaths, which runtimes
// read on every system.
func maskedPaths(field string, paths ...string) func(map[string]any) {
	return func(config map[string]any) {
		l, ok := config["linux"].(map[string]any)
		if !ok {
			l = map[string]any{}
			config["linux"] = l
		}
		l[field] = paths
	}
}

// hostDevice is the device number of a node of this host.
func hostDevice(t *t, path string) uint64 {
	number, err := h.DeviceNumber(filepath.Clean(path))
	t.Must(fmt.Sprintf("stat %s", path), err)
	return number
}
