package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/conformance/owned"
	"golang.org/x/sys/unix"
)

// leaveOnSystem leaves what only Linux has.
func leaveOnSystem(args []string) int {
	switch args[0] {
	case "leave-mount":
		return status(unix.Mount("tmpfs", args[1], "tmpfs", 0, ""))
	case "leave-cgroup":
		parent, err := cgroupParent()
		if err != nil {
			return status(err)
		}
		return status(os.Mkdir(filepath.Join(parent, args[1]), 0o755))
	}
	return 2
}

// cgroupParent finds a hierarchy of either version that takes directories.
func cgroupParent() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("find a cgroup hierarchy: none below /sys/fs/cgroup")
}

// fakeCgroup is the name of the control group that a case leaves, in the test
// and in its worker: no other test has it.
func fakeCgroup(test int) string { return fmt.Sprintf("fake-cgroup-%dx", test) }

// checkGone checks that the host has none of what the fake runtime left.
func checkGone(t *testing.T, dir string) {
	t.Helper()
	if left := owned.Mounts(dir); len(left) > 0 {
		t.Errorf("mounts reached the host: %q", left)
	}
	if left := owned.Processes(); len(left) > 0 {
		t.Errorf("processes left on the host: %v", left)
	}
	if left := owned.Cgroups([]string{fakeCgroup(os.Getpid())}); len(left) > 0 {
		t.Errorf("cgroups left on the host: %q", left)
	}
}

// others is what a neighbour on this machine has.
type others struct {
	dir     string
	process *exec.Cmd
	cgroup  string
}

// appear mounts an overlay and a devpts, and makes a process and a cgroup.
func appear(t *testing.T, name string) *others {
	t.Helper()
	parent, err := cgroupParent()
	if err != nil {
		t.Fatal(err)
	}
	o := &others{dir: t.TempDir(), cgroup: filepath.Join(parent, fmt.Sprintf("%s-%d", name, os.Getpid()))}
	t.Cleanup(func() { o.vanish(t) })
	for _, d := range []string{"lower", "upper", "work", "merged", "dev/pts"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(o.dir, d), 0o755))
	}
	at := func(d string) string { return filepath.Join(o.dir, d) }
	err = errors.Join(err,
		unix.Mount("tmpfs", o.dir, "tmpfs", 0, ""), // overlays may not lie on another
		os.MkdirAll(at("lower"), 0o755), os.Mkdir(at("upper"), 0o755), os.Mkdir(at("work"), 0o755),
		os.Mkdir(at("merged"), 0o755), os.MkdirAll(at("dev/pts"), 0o755),
		unix.Mount("overlay", at("merged"), "overlay", 0, "lowerdir="+at("lower")+",upperdir="+at("upper")+",workdir="+at("work")),
		unix.Mount("devpts", at("dev/pts"), "devpts", 0, "newinstance"),
		os.Mkdir(o.cgroup, 0o755))
	o.process = exec.Command("/bin/sleep", "600")
	if err = errors.Join(err, o.process.Start()); err != nil {
		t.Fatalf("appear (root is needed): %v", err)
	}
	return o
}

// vanish undoes appear; all of it must still be there.
func (o *others) vanish(t *testing.T) {
	t.Helper()
	if o.process != nil && o.process.Process != nil {
		if err := o.process.Process.Kill(); err != nil {
			t.Errorf("a neighbour's process: %v", err)
		}
		_ = o.process.Wait()
	}
	if err := errors.Join(os.Remove(o.cgroup), unix.Unmount(filepath.Join(o.dir, "dev/pts"), 0),
		unix.Unmount(filepath.Join(o.dir, "merged"), 0), unix.Unmount(o.dir, unix.MNT_DETACH)); err != nil {
		t.Errorf("a neighbour's mounts and cgroup: %v", err)
	}
}

// TestNeighbours runs cases on a machine where others have mounts, processes
// and cgroups, and make more of them in the middle of a case. Only what the
// case leaves counts.
func TestNeighbours(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leaks []string
	}{
		{"neighbours/nothing", nil},
		{"neighbours/all", []string{"cgroup: ", "mount: DIR/mnt", "process: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			appear(t, "early")
			go func() {
				cases := ready(dir)
				appear(t, "late")
				_ = os.WriteFile(filepath.Join(cases, "late"), nil, 0o600)
			}()
			r := runFakeIn(t, dir, tt.name)
			if len(r.Message) > 0 || len(r.Leaks) != len(tt.leaks) {
				t.Errorf("leaks %q, messages %q; want leaks %q", r.Leaks, r.Message, tt.leaks)
			}
			for i, leak := range r.Leaks {
				if i < len(tt.leaks) && !strings.HasPrefix(leak, tt.leaks[i]) {
					t.Errorf("leak %q; want %q", leak, tt.leaks[i])
				}
			}
		})
	}
}

// ready waits until the case is in the middle, and gives its directory.
func ready(dir string) string {
	for ; ; time.Sleep(5 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(dir, "cf*", "middle")); len(found) > 0 {
			return filepath.Dir(found[0])
		}
	}
}

// meet lets the test's neighbours appear.
func (t *T) meet() {
	t.WriteFile("", "middle")
	t.Eventually(func() bool { return Exists(filepath.Join(t.Dir, "late")) }, "nobody came")
}

var neighbourCases = []Case{
	fake("neighbours/nothing", func(t *T) { t.meet() }),
	fake("neighbours/all", func(t *T) {
		t.meet()
		t.OK("leave-process")
		t.OK("leave-mount", t.MkdirAll("mnt"))
		t.OK("leave-cgroup", t.ID())
	}),
}
