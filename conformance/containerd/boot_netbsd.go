package containerd

// What a host whose power was cut has when containerd is started by the next boot:
// no process, no mount, no cell, and of the files what the disk holds.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

// policies are containers, each with its restart policy as its name, and whether it
// comes up at boot: of how a program ended that went with the host nobody knows.
var policies = []struct {
	name string
	up   bool
}{{"always", true}, {"unless-stopped", true}, {"on-failure", false}, {"no", false}}

// boot cuts the power under a container of each policy. left makes of a copy of the
// state directory what the next boot finds.
func boot(left func(d *daemon, saved string)) func(*t) {
	return func(t *t) {
		d := nerd(t)
		starts := func(name string) int { return strings.Count(readIfThere(t.Path(name, "starts")), `"ready"`) }
		for _, p := range policies {
			d.nerd("run", "-d", "--name", p.name, "--restart="+p.name, "--net", "none", "-v", t.MkdirAll(p.name)+":/data", image, "to", "/data/starts", ";", "trap", "0")
			eventually(t, func() bool { return starts(p.name) == 1 }, "%s does not run", p.name)
		}
		saved := t.Path("saved")
		d.cutPower(saved)
		left(d, saved)
		d.start()
		for _, p := range policies {
			if p.up {
				d.eventually(func() bool { return starts(p.name) == 2 }, p.name+" comes up")
				d.inspected(p.name, "{{.State.Status}}", "running")
				said(t, d.nerdctl("exec", p.name, h.ProbePath, "say", "inside"), 0, "inside")
			}
		}
		for _, p := range policies {
			if !p.up {
				if n := starts(p.name); n != 1 {
					t.Errorf("%s was started %d times", p.name, n)
				}
				d.nerd("start", p.name)
				d.inspected(p.name, "{{.State.Status}}", "running")
			}
		}
		if r := d.runcell("list", "--quiet"); strings.Count(r.Stdout, "\n") != len(policies) {
			t.Errorf("the cells: %s; want %d", r, len(policies))
		}
		for _, p := range policies {
			d.rm(p.name)
		}
	}
}

// cutPower ends containerd, its shims and its cells, with a copy of the state
// directory as it was while they lived, and leaves none.
func (d *daemon) cutPower(saved string) {
	t := d.t
	d.stop(syscall.SIGKILL)
	killShims(t)
	t.Must("copy state", copyFiles(d.state, saved))
	for _, pattern := range []string{"io.containerd.runtime.v2.task/default/*/config.json", "runcell/default/*/state.json"} {
		if names, err := filepath.Glob(filepath.Join(saved, pattern)); err != nil || len(names) != len(policies) {
			t.Fatalf("the copy has %q of %s; want %d", names, pattern, len(policies))
		}
	}
	for id := range strings.Lines(d.runcell("list", "--quiet").Stdout) {
		d.good(d.runcell("delete", "--force", strings.TrimSpace(id)))
	}
	roots, err := filepath.Glob(filepath.Join(d.state, "io.containerd.runtime.v2.task/default/*/rootfs"))
	t.Must("find roots", err)
	if len(roots) != len(policies) {
		t.Fatalf("bundles' roots %q; want %d", roots, len(policies))
	}
	for _, root := range roots {
		if err := unix.Unmount(root, 0); err != nil && !errors.Is(err, unix.EINVAL) { // not mounted
			t.Fatalf("unmount %s: %v", root, err)
		}
	}
	t.Must("remove state", os.RemoveAll(d.state))
	for _, path := range h.Files(sockets) {
		if !slices.Contains(d.before, path) {
			t.Must("remove socket", os.RemoveAll(path))
		}
	}
}

// copyFiles copies directories, files and links, but not what a bundle has mounted,
// nor sockets and FIFOs.
func copyFiles(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("walk state: %w", err)
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch e.Type() {
		case fs.ModeDir:
			if err := os.MkdirAll(target, 0o700); err == nil && e.Name() == "rootfs" {
				return fs.SkipDir
			}
			return err
		case fs.ModeSymlink:
			text, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(text, target)
		case 0:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, b, 0o600)
		default:
			return nil
		}
	})
}

// restore puts the copy where containerd looks for its state.
func restore(d *daemon, saved string) { d.t.Must("restore state", os.Rename(saved, d.state)) }

// empty makes all files of the copy empty, as a file system may leave what it had not
// written yet, and the directories of one bundle or record have lost their files.
func empty(d *daemon, saved string) {
	lost := ""
	d.t.Must("empty files", filepath.WalkDir(saved, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !e.Type().IsRegular():
			return nil
		case lost == "" || lost == filepath.Dir(path):
			lost = filepath.Dir(path)
			return os.Remove(path)
		default:
			return os.Truncate(path, 0)
		}
	}))
	restore(d, saved)
}

var powerCuts = []h.Case{
	{
		Name: "boot/cleared", Clause: "a boot after the power was cut", Does: "with nothing below /var/run, as NetBSD boots: who has a restart policy comes up, and others can be started",
		Run: boot(func(d *daemon, _ string) { d.t.MkdirAll("state") }),
	},
	{
		Name: "boot/kept", Clause: "a boot after the power was cut", Does: "with bundles and records of containers that are no more, on a disk: the same",
		Run: boot(restore),
	},
	{
		Name: "boot/torn", Clause: "a boot after the power was cut", Does: "with empty files and directories in their place: the same",
		Run: boot(empty),
	},
}
