package runtime_test

// Attacks that a runtime has to survive. Each test names what it stands for.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestNoDescriptorLeaks: CVE-2024-21626, CVE-2016-9962. Nothing but 0, 1 and 2
// is open in a container or in an exec'ed process, even if the caller had
// directories open.
func TestNoDescriptorLeaks(t *testing.T) {
	b := newBox(t)
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	// The shell passes descriptor 9, a directory of the host, on to runcell.
	leak := func(args string) string {
		out, err := exec.Command("/bin/sh", "-c", fmt.Sprintf("cd %s; exec 9</; exec %s --root %s %s", b.bundle, b.bin, b.root, args)).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", args, err, out)
		}
		return string(out)
	}
	b.spec.Process.Args = []string{"/probe", "fds"}
	b.run("state", "none") // writes config.json
	inRun := leak("run d")
	b.spec.Process.Args = []string{"/probe", "sleep"}
	b.ok("run", "--detach", "d")
	inExec := leak("exec d /probe fds")
	b.ok("delete", "--force", "d")
	for _, out := range []string{inRun, inExec} {
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			fd, to, _ := strings.Cut(line, " ")
			if fd != "0" && fd != "1" && fd != "2" {
				t.Errorf("descriptor %s is open in the container: %s", fd, to)
			}
		}
	}
}

// TestCwdThroughDescriptor: CVE-2024-21626. A working directory that leads to
// a descriptor of the runtime is refused, for run and for exec, unless that is
// the container's own root.
func TestCwdThroughDescriptor(t *testing.T) {
	b := newBox(t)
	for fd := range 20 {
		b.spec.Process.Args = []string{"/probe", "cwd"}
		b.spec.Process.Cwd = fmt.Sprintf("/proc/self/fd/%d", fd)
		if r := b.run("run", "d"); r.status == 0 {
			t.Errorf("cwd %s was entered: %s", b.spec.Process.Cwd, r.stdout)
		}
	}
	b.spec.Process.Cwd = "/"
	b.spec.Process.Args = []string{"/probe", "sleep"}
	b.ok("run", "--detach", "d")
	for fd := range 20 {
		if r := b.run("exec", "--cwd", fmt.Sprintf("/proc/self/fd/%d", fd), "d", "/probe", "cwd"); r.status == 0 && r.stdout != "/\n" {
			t.Errorf("exec with cwd /proc/self/fd/%d was entered: %s", fd, r.stdout)
		}
	}
	b.ok("delete", "--force", "d")
}

// TestOwnBinaryAsProgram: CVE-2019-5736. /proc/self/exe as the program, or as
// the interpreter of a script, never runs our binary with success.
func TestOwnBinaryAsProgram(t *testing.T) {
	b := newBox(t)
	b.file("rootfs/script", "#!/proc/self/exe\n", 0o755)
	if err := os.Symlink("/proc/self/exe", filepath.Join(b.bundle, "rootfs/link")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/proc/self/exe", "/link", "/script"} {
		b.spec.Process.Args = []string{p, "--version"}
		if r := b.run("run", "d"); r.status == 0 || strings.Contains(r.stdout, "runcell version") {
			t.Errorf("run %s = %d, %q; want a refusal", p, r.status, r.stdout)
		}
	}
}

// TestExecDoesNotExposeBinary: CVE-2019-5736. A script whose interpreter is a
// script whose interpreter is /proc/self/exe does run our binary inside; a process that waits there for it
// can open it, and cannot write to it, not even after it has ended.
func TestExecDoesNotExposeBinary(t *testing.T) {
	b := newBox(t)
	var st syscall.Stat_t
	if err := syscall.Stat(b.bin, &st); err != nil {
		t.Fatal(err)
	}
	b.spec.Annotations = map[string]string{"org.netbsd.cell.profile": "low"}
	b.file("rootfs/inner", "#!/proc/self/exe\n", 0o755)
	b.file("rootfs/script", "#!/inner\n", 0o755)
	b.spec.Process.Args = []string{"/probe", "exe", fmt.Sprint(st.Ino)}
	b.run("state", "none") // writes config.json
	out := b.tempFile()
	cmd := exec.Command(b.bin, "--root", b.root, "run", "--detach", "d")
	cmd.Dir, cmd.Stdout = b.bundle, out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	seen := ""
	for end := time.Now().Add(8 * time.Second); seen == "" && time.Now().Before(end); {
		b.run("exec", "d", "/script")
		raw, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		seen = string(raw)
	}
	b.ok("delete", "--force", "d")
	if !strings.Contains(seen, "read-only file system") {
		t.Errorf("opening the runcell binary for writing from inside = %q; want a read-only file system", seen)
	}
}

// TestDestinationsStayInside: CVE-2021-30465, CVE-2026-41579. Links in the
// image, absolute and relative, do not lead mounts and devices out of it.
func TestDestinationsStayInside(t *testing.T) {
	b := newBox(t)
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.MkdirAll(canary, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(b.bundle, "rootfs")
	if err := os.Remove(filepath.Join(root, "dev")); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"dev": canary, "abs": canary, "up": "../../../../../../../.." + canary,
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	b.spec.Mounts = append(b.spec.Mounts,
		specs.Mount{Destination: "/abs/a", Type: "tmpfs", Source: "tmpfs"},
		specs.Mount{Destination: "/up/b", Type: "bind", Source: "/etc/hostname", Options: []string{"bind", "ro"}})
	b.spec.Process.Args = []string{"/probe", "ls", canary}
	r := b.run("run", "d")
	if r.status != 0 || !strings.Contains(r.stdout, "null") {
		t.Errorf("run = %d, %q, %q; want the devices in the container's own %s", r.status, r.stdout, r.stderr, canary)
	}
	entries, err := os.ReadDir(canary)
	if err != nil || len(entries) > 0 {
		t.Errorf("the host's directory was changed: %v %v", entries, err)
	}
}

// TestReplacedNullDevice: CVE-2025-31133. The image's /dev/null is not the
// source of masks, and is refused as a device.
func TestReplacedNullDevice(t *testing.T) {
	b := newBox(t)
	b.spec.Mounts = b.spec.Mounts[:1] // no tmpfs on /dev
	b.file("secret", "of the host", 0o644)
	b.file("rootfs/masked", "to be hidden", 0o644)
	if err := os.Symlink(filepath.Join(b.bundle, "secret"), filepath.Join(b.bundle, "rootfs/dev/null")); err != nil {
		t.Fatal(err)
	}
	b.spec.Linux.MaskedPaths = []string{"/masked"}
	b.spec.Process.Args = []string{"/probe", "cat", "/masked"}
	r := b.run("run", "d")
	if strings.Contains(r.stdout, "hidden") || strings.Contains(r.stdout, "host") {
		t.Errorf("the mask shows %q", r.stdout)
	}
	if r.status == 0 || !strings.Contains(r.stderr, "/dev/null") {
		t.Errorf("run = %d, %q; want a refusal that names /dev/null", r.status, r.stderr)
	}
}

// TestMasksAndReadonlyPaths: what the config hides is empty, what it freezes
// cannot be written, and links to both do not help.
func TestMasksAndReadonlyPaths(t *testing.T) {
	b := newBox(t)
	b.file("rootfs/etc/shadow", "secret", 0o600)
	b.file("rootfs/tmp/f", "old", 0o644)
	if err := os.Symlink("etc/shadow", filepath.Join(b.bundle, "rootfs/alias")); err != nil {
		t.Fatal(err)
	}
	b.spec.Linux.MaskedPaths = []string{"/alias", "/usr", "/not/there"}
	b.spec.Linux.ReadonlyPaths = []string{"/tmp", "/not/there"}
	for args, want := range map[string]string{
		"cat /etc/shadow": "", "ls /usr": "", "write /tmp/f new": "read-only file system",
	} {
		b.spec.Process.Args = append([]string{"/probe"}, strings.Fields(args)...)
		r := b.run("run", "d")
		if strings.Contains(r.stdout, "secret") || strings.Contains(r.stdout, "bin") || !strings.Contains(r.stdout, want) {
			t.Errorf("%s = %q; want %q", args, r.stdout, want)
		}
	}
}

// TestDirectoryAsStdio: a directory as a standard descriptor would lead out
// of the root, by /proc/self/fd/0/.. as by fchdir(2): whichever of the three it is,
// and whichever command would hand it on.
func TestDirectoryAsStdio(t *testing.T) {
	b := newBox(t)
	b.ok("run", "--detach", "up")
	for fd := range 3 {
		for _, args := range []string{"run d", "create d", "exec up /probe ls /proc/self/fd/%d/..", "exec --detach up /probe sleep"} {
			if strings.Contains(args, "%") {
				args = fmt.Sprintf(args, fd)
			}
			out := b.tempFile()
			// Where its words can't go to 2, they are in the log.
			line := fmt.Sprintf("cd %s && exec %s --log %s --root %s %s </dev/null >/dev/null 2>/dev/null %d</", b.bundle, b.bin, out.Name(), b.root, args, fd)
			err := exec.Command("/bin/sh", "-c", line).Run()
			if said := b.read(out); err == nil || !strings.Contains(said, fmt.Sprintf("descriptor %d is a directory", fd)) {
				t.Errorf("%s with a directory as %d = %v, %q; want a refusal", args, fd, err, said)
			}
		}
	}
	b.ok("delete", "--force", "up")
}

// TestIdsAreNames: ids that would leave the state directory, and the state
// directory's own files, are refused by every command.
func TestIdsAreNames(t *testing.T) {
	b := newBox(t)
	for _, id := range []string{"", ".", "..", "a/b", "../x", "/etc", "a b", "@cells", strings.Repeat("x", 300)} {
		for _, cmd := range [][]string{{"create", id}, {"start", id}, {"state", id}, {"kill", id, "KILL"}, {"delete", "--force", id}, {"exec", id, "/probe"}} {
			if r := b.run(cmd...); r.status == 0 || r.stderr == "" {
				t.Errorf("%v = %d, %q; want an error", cmd, r.status, r.stderr)
			}
		}
	}
}

// TestRefusedLimitIsToldByCreate: a limit that can't be had, or a user whose
// limit can't be raised, is named by create, and nothing is left.
func TestRefusedLimitIsToldByCreate(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1 << 40, Hard: 1 << 40}}
	r := b.run("create", "d")
	if r.status != 1 || !strings.Contains(r.stderr, "RLIMIT_NOFILE") || !strings.Contains(r.stderr, "operation not permitted") {
		t.Errorf("create = %d, %q; want a refusal that names the limit", r.status, r.stderr)
	}
}
