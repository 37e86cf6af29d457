package containerd

// Daemons and images.

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/probe/fact"
)

// pack makes an archive of an image with the probe, by runcell image pack. A
// second layer has what layers can do: whiteouts, an opaque directory.
func pack(t *t, layers int) (archive string) {
	root := plant(t)
	archive = "oci-archive:" + t.Path("image.tar") + ":1"
	if layers == 1 {
		t.OK("image", "pack", "--entrypoint", h.ProbePath, root, archive)
		return t.Path("image.tar")
	}
	t.WriteFile("old", "tree", "gone", "file")
	t.WriteFile("old", "tree", "opaque", "file")
	t.OK("image", "pack", "--entrypoint", h.ProbePath, root, "oci:"+t.Path("layout")+":base")
	t.Must("remove", os.RemoveAll(root+"/gone"))
	t.Must("remove", os.RemoveAll(root+"/opaque"))
	t.WriteFile("new", "tree", "opaque", "other")
	set := t.WriteFile("x", "tree", "var", "setuid")
	t.Must("chown", os.Chown(set, 12, 34))
	t.Must("chmod", os.Chmod(set, 0o755|os.ModeSetuid))
	t.Must("link", os.Link(set, root+"/var/hard"))
	t.Must("symlink", os.Symlink("setuid", root+"/var/soft"))
	t.Must("mkfifo", syscall.Mkfifo(root+"/var/fifo", 0o600))
	t.OK("image", "pack", "--base", "oci:"+t.Path("layout")+":base", "--entrypoint", h.ProbePath, root, archive)
	return t.Path("image.tar")
}

// plant makes the tree that becomes an image.
func plant(t *t) (root string) {
	root = t.MkdirAll("tree")
	for _, dir := range []string{"bin", "dev", "etc", "proc", "tmp", "var", "gone", "opaque"} {
		t.MkdirAll("tree", dir)
	}
	b, err := os.ReadFile(t.HostProbe())
	t.Must("read probe", err)
	t.Must("write probe", os.WriteFile(root+h.ProbePath, b, 0o755))
	t.WriteFile("root:*:0:0:root:/root:/bin/sh\nuser:*:1000:1000::/tmp:/bin/sh\n", "tree", "etc", "passwd")
	t.WriteFile("root:*:0:\nuser:*:1000:\n", "tree", "etc", "group")
	t.Must("chmod", os.Chmod(root+"/tmp", 0o777|os.ModeSticky))
	return root
}

var daemons = []h.Case{
	{
		Name: "daemon/runtime", Clause: "ctr plugins inspect-runtime", Does: "containerd is told what the runtime can do", Run: func(t *t) {
			d := bare(t)
			r := d.ok("plugins", "inspect-runtime", "--runtime", "io.containerd.runcell.v1")
			for _, want := range []string{"io.containerd.runcell.v1", "org.netbsd.runcell.kernel.backend", "secmodel_cell"} {
				if !strings.Contains(r.Stdout, want) {
					t.Errorf("no %s: %s", want, r)
				}
			}
		},
	},
	{
		Name: "daemon/plugins", Clause: "ctr plugins ls",
		Does: "containerd starts, every plugin that it has is ok or skipped for a reason of its own, and it ends at SIGTERM", Run: func(t *t) {
			d := bare(t)
			ok := map[string]bool{}
			for line := range strings.Lines(d.ok("plugins", "ls").Stdout) {
				f := strings.Fields(line)
				if len(f) != 4 {
					continue
				}
				if ok[f[1]] = f[3] == "ok"; f[3] == "error" {
					t.Errorf("plugin %s %s: error", f[0], f[1])
				}
			}
			for _, name := range []string{"native", "walking", "task", "bolt", "content"} {
				if !ok[name] {
					t.Errorf("plugin %s is not there, or not ok", name)
				}
			}
			d.stop(syscall.SIGTERM)
			if status := d.cmd.ProcessState; !status.Success() {
				t.Errorf("its end: %v", status)
			}
		},
	},
	{
		Name: "daemon/killed", Clause: "ctr version",
		Does: "a containerd that was killed starts again on what it has left", Run: func(t *t) {
			d := with(t)
			d.stop(syscall.SIGKILL)
			d.start()
			if r := d.ok("images", "ls", "-q"); strings.TrimSpace(r.Stdout) != image {
				t.Errorf("images after a kill: %s", r)
			}
		},
	},
}

var images = []h.Case{
	{
		Name: "image/import", Clause: "ctr images import, ls, rm",
		Does: "an image of runcell image pack is imported, unpacked by the native snapshotter, listed, and goes with all that it had", Run: func(t *t) {
			d := with(t)
			if r := d.ok("images", "ls"); !strings.Contains(r.Stdout, image) || !strings.Contains(r.Stdout, "netbsd/") {
				t.Errorf("the list: %s", r)
			}
			if r := d.ok("snapshots", "ls"); !strings.Contains(r.Stdout, "Committed") {
				t.Errorf("snapshots: %s", r)
			}
			d.ok("images", "rm", "--sync", image)
			if r := d.ok("snapshots", "ls"); strings.Contains(r.Stdout, "Committed") {
				t.Errorf("snapshots without an image: %s", r)
			}
			if r := d.ok("content", "ls", "-q"); strings.TrimSpace(r.Stdout) != "" {
				t.Errorf("content without an image: %s", r)
			}
		},
	},
	{
		Name: "image/layers", Clause: "ctr images import",
		Does: "a second layer's whiteouts, links, owners, FIFOs, setuid and sticky bits are in the container's root", Run: func(t *t) {
			layered(bare(t))
		},
	},
}

// layered imports an image of two layers and looks at a container's root.
func layered(d *daemon) {
	t := d.t
	d.ok("images", "import", "--base-name", "localhost/probe", pack(t, 2))
	var ops []string
	for _, path := range []string{"/gone", "/opaque/file", "/opaque/other", "/var/setuid", "/var/hard", "/var/soft", "/var/fifo", "/tmp"} {
		ops = append(ops, "lstat", path, ";")
	}
	lines := h.ParseLines(d.ok(append([]string{"run", "--rm", image, "layers", h.ProbePath}, ops...)...).Stdout)
	stats := map[string]*fact.Stat{}
	for _, l := range lines {
		if l.OK && l.Stat != nil {
			stats[l.Args[0]] = l.Stat
		}
	}
	for path, want := range map[string]string{
		"/opaque/other": "file 644 0:0", "/var/setuid": "file 4755 12:34", "/var/hard": "file 4755 12:34",
		"/var/fifo": "fifo 600 0:0", "/tmp": "dir 1777 0:0", "/gone": "", "/opaque/file": "",
	} {
		got := ""
		if s := stats[path]; s != nil {
			got = s.Type + " " + strconv.FormatUint(uint64(s.Perm), 8) + " " + strconv.Itoa(int(s.UID)) + ":" + strconv.Itoa(int(s.GID))
		}
		if got != want {
			t.Errorf("%s is %q; want %q", path, got, want)
		}
	}
	if a, b := stats["/var/setuid"], stats["/var/hard"]; a != nil && b != nil && a.Ino != b.Ino {
		t.Errorf("the hard link is a file of its own")
	}
	if s := stats["/var/soft"]; s == nil || s.Type != "symlink" {
		t.Errorf("the symlink is %v", s)
	}
}
