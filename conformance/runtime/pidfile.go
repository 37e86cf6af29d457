package runtime

// --pid-file.

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

var pidFile = []h.Case{
	{
		Name: "pid-file/device", Clause: "attack: a device of the host as pid-file",
		Does: "a null device as pid-file is not replaced by a file", Run: func(t *t) {
			node := t.Path("null")
			t.Must("make node", unix.Mknod(node, unix.S_IFCHR|0o666, int(hostDevice(t, "/dev/null"))))
			t.CreateFrom(t.Bundle(h.Idle), "--pid-file", node)
			var st unix.Stat_t
			t.Must("look at node", unix.Lstat(node, &st))
			if st.Mode&unix.S_IFMT != unix.S_IFCHR {
				t.Errorf("the node is a file of mode %#o now", st.Mode)
			}
		},
	},
	{
		Name: "pid-file/content", Clause: "containerd, podman: pid-file",
		Does: "it holds the state's pid in decimal digits, without a newline", Run: func(t *t) {
			path := t.Path("pid")
			c := t.CreateFrom(t.Bundle(h.Idle), "--pid-file", path)
			if got, want := t.ReadFile(path), strconv.Itoa(c.State().Pid); got != want {
				t.Errorf("pid-file is %q, want %q", got, want)
			}
		},
	},
	{
		Name: "pid-file/relative", Clause: "buildah: pid-file relative to the caller's directory",
		Does: "a relative path is relative to the caller's working directory", Run: func(t *t) {
			b := t.Bundle(h.Idle)
			dir := t.MkdirAll("caller")
			t.CreateWith(call{Dir: dir}, b, "--pid-file", "pid")
			if !regexp.MustCompile(`^\d+$`).MatchString(t.ReadFile(filepath.Join(dir, "pid"))) {
				t.Errorf("pid-file is not digits")
			}
		},
	},
	{
		Name: "pid-file/only-after-success", Clause: "podman: pid-file written when success is certain",
		Does: "a failed create writes none", Run: func(t *t) {
			path := t.Path("pid")
			refusedCreate(t, t.Bundle(h.Args("/no/such/program"), h.Bind("/no/such/source", "/mnt")), "--pid-file", path)
			if h.Exists(path) {
				t.Errorf("pid-file is %q", t.ReadFile(path))
			}
		},
	},
	{
		Name: "pid-file/atomic", Clause: "containerd, podman: pid-file",
		Does: "it is replaced by rename: who has the old file open never reads half a number", Run: func(t *t) {
			path := t.WriteFile("old", "pids", "pid")
			old, err := os.Open(path)
			t.Must("open old pid-file", err)
			defer old.Close()
			t.CreateFrom(t.Bundle(h.Idle), "--pid-file", path)
			if b, err := io.ReadAll(old); err != nil || string(b) != "old" {
				t.Errorf("the old file now reads %q, %v", b, err)
			}
			if names := entries(t, filepath.Dir(path)); len(names) != 1 {
				t.Errorf("beside the pid-file are %v", names)
			}
		},
	},
	{
		Name: "pid-file/symlink", Clause: "containerd, podman: pid-file",
		Does: "a symlink at its place is replaced, not written through", Run: func(t *t) {
			target, path := t.WriteFile("precious", "target"), t.Path("pid")
			t.Must("make link", os.Symlink(target, path))
			t.Try("create", "--bundle", t.Bundle(h.Idle).Dir, "--pid-file", path, t.ID())
			if got := t.ReadFile(target); got != "precious" {
				t.Errorf("the link's target is now %q", got)
			}
		},
	},
	{
		Name: "pid-file/run-detach", Clause: "runc command line: run --detach --pid-file",
		Does: "run --detach writes it before it returns", Run: func(t *t) {
			id, path := t.ID(), t.Path("pid")
			t.OK("run", "--detach", "--bundle", t.Bundle(h.Idle).Dir, "--pid-file", path, id)
			if pid, err := strconv.Atoi(t.ReadFile(path)); err != nil || pid < 2 {
				t.Errorf("pid-file: %d, %v", pid, err)
			}
		},
	},
}
