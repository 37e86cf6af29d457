package runtime_test

// More attacks: what the image or the caller brings along.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestFakeProc: CVE-2019-16884, CVE-2019-19921, CVE-2023-27561. An image whose
// /proc is a link is refused: programs, masks and read-only paths would look for
// it elsewhere.
func TestFakeProc(t *testing.T) {
	b := newBox(t)
	root := filepath.Join(b.bundle, "rootfs")
	if err := os.Remove(filepath.Join(root, "proc")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "tmp/fake/sys/kernel"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/tmp/fake", "/nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, "proc")); err != nil {
			t.Fatal(err)
		}
		if r := b.run("run", "d"); r.status == 0 || !strings.Contains(r.stderr, "/proc must be an ordinary directory") {
			t.Errorf("proc -> %s: run = %+v; want a refusal", target, r)
		}
		if err := os.Remove(filepath.Join(root, "proc")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFakeSys: the same for a place at which nothing is mounted here, but which
// the configuration takes for a file system of the kernel's: it hides paths in it.
func TestFakeSys(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "ls", "/"}
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs"})
	if err := os.Symlink("/tmp", filepath.Join(b.bundle, "rootfs/sys")); err != nil {
		t.Fatal(err)
	}
	if r := b.run("run", "d"); r.status == 0 || !strings.Contains(r.stderr, "/sys must be an ordinary directory") {
		t.Errorf("run = %+v; want a refusal", r)
	}
}

// TestMaskOfTheRoot: a path that is to be hidden or frozen and leads to the root by
// way of the image is refused, and not left as it is in silence.
func TestMaskOfTheRoot(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "ls", "/"}
	for name, target := range map[string]string{"slash": "/", "up": "../../..", "self": "usr/.."} {
		if err := os.Symlink(target, filepath.Join(b.bundle, "rootfs", name)); err != nil {
			t.Fatal(err)
		}
		for field, list := range map[string]*[]string{"maskedPaths": &b.spec.Linux.MaskedPaths, "readonlyPaths": &b.spec.Linux.ReadonlyPaths} {
			*list = []string{"/" + name}
			if r := b.run("run", "d"); r.status == 0 || !strings.Contains(r.stderr, field) || !strings.Contains(r.stderr, "leads to the root itself") {
				t.Errorf("%s %s = %+v; want a refusal", field, name, r)
			}
			*list = nil
		}
	}
}

// TestReplacedTerminal: CVE-2025-52565. A file of the image's in place of
// /dev/pts/ptmx is not taken for a terminal.
func TestReplacedTerminal(t *testing.T) {
	b := newBox(t)
	b.spec.Mounts = b.spec.Mounts[:1] // neither /dev nor /dev/pts
	if err := os.MkdirAll(filepath.Join(b.bundle, "rootfs/dev/pts"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.file("rootfs/dev/pts/ptmx", "", 0o666)
	b.spec.Process.Terminal = true
	r := b.run("run", "d")
	if r.status != 1 || !strings.Contains(r.stderr, "terminal") {
		t.Errorf("run = %d, %q; want a refusal of the terminal", r.status, r.stderr)
	}
}

// TestCallersRightsStayOutside: CVE-2022-2989, CVE-2023-25173, CVE-2022-27650.
// The caller's supplementary groups and inheritable capabilities do not reach
// the container, nor an exec'ed process.
func TestCallersRightsStayOutside(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "cat", "/proc/self/status"}
	b.run("state", "none") // writes config.json
	with := func(args string) string {
		cmd := exec.Command("/usr/bin/setpriv", "--groups", "4,24", "--inh-caps", "+net_raw,+sys_admin",
			"/bin/sh", "-c", fmt.Sprintf("cd %s && exec %s --root %s %s", b.bundle, b.bin, b.root, args))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", args, err, out)
		}
		return string(out)
	}
	inRun := with("run d")
	b.spec.Process.Args = []string{"/probe", "sleep"}
	b.ok("run", "--detach", "d")
	inExec := with("exec d /probe cat /proc/self/status")
	b.ok("delete", "--force", "d")
	for where, status := range map[string]string{"run": inRun, "exec": inExec} {
		for _, line := range strings.Split(status, "\n") {
			key, value, _ := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			switch key {
			case "Groups":
				if value != "" {
					t.Errorf("%s: groups of the caller: %s", where, value)
				}
			case "CapInh", "CapAmb":
				if strings.Trim(value, "0") != "" {
					t.Errorf("%s: %s = %s; want none", where, key, value)
				}
			}
		}
	}
}

// TestIgnoredSignalsAreReset: runcell under nohup(1) does not hand on that
// SIGHUP is ignored.
func TestIgnoredSignalsAreReset(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "cat", "/proc/self/status"}
	b.run("state", "none") // writes config.json
	out, err := exec.Command("/bin/sh", "-c", fmt.Sprintf("trap '' HUP; cd %s && exec %s --root %s run d", b.bundle, b.bin, b.root)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, ignored, _ := strings.Cut(string(out), "SigIgn:\t"); !strings.HasPrefix(ignored, "0000000000000000") {
		t.Errorf("ignored signals in the container: %.16s; want none", ignored)
	}
}
