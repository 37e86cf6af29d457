package runtime

// Ways out of a container that other runtimes were found to leave open.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

var escapes = []h.Case{
	{
		Name: "escape/directory-inherited", Clause: "attack CVE-2024-21626; descriptors inherited at entry",
		Does: "directories that the caller has open reach neither the program nor an exec", Run: func(t *t) {
			dir, err := os.Open("/")
			t.Must("open directory", err)
			t.Cleanup(func() { _ = dir.Close() })
			open := []*os.File{dir, dir, dir}
			c := t.CreateWith(call{Extra: open}, t.Bundle(h.Idle))
			c.Start()
			if fds := numbers(c.Facts().FDs); !slices.Equal(fds, []int{0, 1, 2}) {
				t.Errorf("the program has descriptors %v", fds)
			}
			r := t.Do(call{Args: []string{"exec", c.ID, h.ProbePath, "facts"}, Extra: open})
			if fds := numbers(t.Line(h.ParseLines(r.Stdout), "facts").Facts.FDs); !slices.Equal(fds, []int{0, 1, 2}) {
				t.Errorf("the exec has descriptors %v", fds)
			}
		},
	},
	{
		Name: "escape/directory-passed", Clause: "attack CVE-2025-15576",
		Does: "a directory that one container passes to another leads the receiver to no file of the host", Run: func(t *t) {
			secret := t.WriteFile("of the host", "secret")
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			t.Must("make sockets", err)
			var ends []*os.File
			for _, fd := range pair {
				ends = append(ends, os.NewFile(uintptr(fd), "socket"))
			}
			t.Cleanup(func() { _, _ = ends[0].Close(), ends[1].Close() })
			shared := h.Bind(t.MkdirAll("shared"), "/mnt")
			give := t.CreateWith(call{Extra: ends[:1]}, t.Bundle(shared, h.Do("senddir", "3", "/mnt", ";", "signals")), "--preserve-fds", "1")
			give.Start()
			t.Succeeds(h.Lines{give.WaitLine("senddir")}, "senddir")
			take := t.CreateWith(call{Extra: ends[1:]}, t.Bundle(shared, h.Do("escape", "3", secret)), "--preserve-fds", "1")
			take.Start()
			line := t.Line(take.Wait(), "escape")
			// NetBSD refuses to hand out a directory that lies outside of the
			// receiver's root; elsewhere each way must fail.
			if line.OK || line.Text != "" || len(line.Names) != 3 && line.Errno != "EPERM" {
				t.Errorf("the receiver got out by %q; what failed: %q %s", line.Text, line.Names, line.Error)
			}
		},
	},
	{
		Name: "escape/null-device", Clause: "attack: fchmod(2) of the host's /dev/null",
		Does: "standard descriptors that are the host's null device are the container's own inside", Run: func(t *t) {
			c := t.Create(h.Do("same", "0", os.DevNull, ";", "signals")) // its stdin is /dev/null
			c.Start()
			c.WaitLine("ready")
			t.Succeeds(c.Lines(), "same")
			t.Succeeds(h.ParseLines(t.OK("exec", c.ID, h.ProbePath, "same", "0", os.DevNull).Stdout), "same")
		},
	},
	{
		Name: "escape/mount-destination", Clause: "attack CVE-2021-30465",
		Does: "a mount whose destination is a link in the image lands inside the root, or is refused", Run: func(t *t) {
			outside := t.MkdirAll("outside")
			b := t.Bundle(h.Tmpfs("/link/below"), h.Do("mark", "ran"))
			t.Must("make link", os.Symlink(outside, b.RootFS("link")))
			id := t.ID()
			t.Try("create", "--bundle", b.Dir, id)
			for _, m := range t.NewMounts() {
				if strings.HasPrefix(m, outside) {
					t.Errorf("mounted on the host's %s", strings.TrimPrefix(m, t.Dir))
				}
			}
			if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
				t.Errorf("made %v on the host, %v", entries, err)
			}
		},
	},
	{
		Name: "escape/nested", Clause: "attack CVE-2025-15547; nested entry",
		Does: "root in a container can't make one of its own", Run: func(t *t) {
			own(t, "runcell in a cell")
			inner := t.Bundle(h.Do("mark", "nested"))
			b := t.Bundle(h.Bind(inner.Dir, "/mnt"), h.Args("/bin/runcell", "--root", "/tmp/state", "run", "--bundle", "/mnt", "inner"))
			program, err := os.ReadFile(t.Target.Path)
			t.Must("read runcell", err)
			t.Must("install runcell", os.WriteFile(filepath.Join(b.RootFS("bin"), "runcell"), program, 0o755))
			r := t.Try("run", "--bundle", b.Dir, t.ID())
			t.CheckRefused(r)
			if strings.Contains(r.Stdout, "nested") {
				t.Errorf("a cell was made inside: %s", r)
			}
		},
	},
}
