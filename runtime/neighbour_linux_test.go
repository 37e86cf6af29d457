package runtime_test

// What programs of a container see of the runcell processes beside them, with
// every right that the default gives: CAP_SYS_PTRACE opens all of /proc/PID.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestNeighbourSeesNothing: CVE-2016-9962. A program that looks at all
// descriptors of every process that comes up finds none that leads out, while
// exec after exec comes in.
func TestNeighbourSeesNothing(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "neighbour"}
	b.run("state", "none") // writes config.json
	out := b.tempFile()
	cmd := exec.Command(b.bin, "--root", b.root, "run", "--detach", "n")
	cmd.Dir, cmd.Stdout = b.bundle, out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		b.ok("--log", filepath.Join(b.bundle, "log"), "exec", "n", "/probe", "exit", "0")
	}
	b.ok("delete", "--force", "n")
	raw, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(raw)); got != "ready" {
		t.Errorf("seen from inside: %s; want nothing but ready", got)
	}
}

// TestCreatedProcessShowsLittle: a startContainer hook's program sees what the
// first process has: the two files of its start, and our binary read-only
// (CVE-2019-5736).
func TestCreatedProcessShowsLittle(t *testing.T) {
	b := newBox(t)
	b.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/probe", Args: []string{"probe", "shows", "1", "/tmp/seen"}}}}
	b.ok("create", "c")
	b.ok("start", "c")
	b.ok("delete", "--force", "c")
	raw, err := os.ReadFile(filepath.Join(b.bundle, "rootfs/tmp/seen"))
	if want := "fd exec.fifo\nfd init.error\nread-only true\n"; err != nil || string(raw) != want {
		t.Errorf("process 1 shows %q, %v; want %q", raw, err, want)
	}
}

// TestExecOfOwnBinary: CVE-2019-5736. What start refuses exec refuses too.
func TestExecOfOwnBinary(t *testing.T) {
	b := newBox(t)
	b.file("rootfs/script", "#!/proc/self/exe\n", 0o755)
	b.ok("run", "--detach", "d")
	for _, p := range []string{"/proc/self/exe", "/script"} {
		r := b.run("exec", "d", p, "--version")
		if r.status != 255 || strings.Contains(r.stdout, "runcell version") || p == "/script" && !strings.Contains(r.stderr, `interpreter "/proc/self/exe"`) {
			t.Errorf("exec %s = %d, %q, %q; want 255 and a refusal", p, r.status, r.stdout, r.stderr)
		}
	}
	b.ok("delete", "--force", "d")
}

// TestMissingPreservedDescriptor: a number of descriptors that the caller does
// not have open passes none of ours, and makes nothing.
func TestMissingPreservedDescriptor(t *testing.T) {
	b := newBox(t)
	b.ok("run", "--detach", "d")
	shell := func(args string) (string, error) {
		out, err := exec.Command("/bin/sh", "-c", fmt.Sprintf("cd %s; exec 3</dev/null; exec %s --root %s %s", b.bundle, b.bin, b.root, args)).CombinedOutput()
		return string(out), err
	}
	for _, args := range []string{"exec --preserve-fds 2 d /probe fds", "run --preserve-fds 2 e", "create --preserve-fds 2 e"} {
		out, err := shell(args)
		if err == nil || !strings.Contains(out, "descriptor 4: bad file descriptor") {
			t.Errorf("%s = %v, %q; want descriptor 4 named", args, err, out)
		}
	}
	if out, err := shell("exec --preserve-fds 1 d /probe exit 0"); err != nil {
		t.Errorf("exec with a descriptor that is there: %v, %q", err, out)
	}
	if r := b.run("state", "e"); r.status == 0 {
		t.Errorf("a refused create left a container: %s", r.stdout)
	}
	b.ok("delete", "--force", "d")
}

// TestStartHookHasTheProcesssRights: a startContainer hook is who the process
// is, in its directory, with its limits.
func TestStartHookHasTheProcesssRights(t *testing.T) {
	b := newBox(t)
	if err := os.Chmod(filepath.Join(b.bundle, "rootfs/tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	b.spec.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{1002}}
	b.spec.Process.NoNewPrivileges = true
	b.spec.Process.Cwd = "/tmp"
	b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 1, Hard: 2}}
	b.spec.Process.Args = []string{"/probe", "id", "/tmp/process"}
	b.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/probe", Args: []string{"probe", "id", "/tmp/hook"}}}}
	b.ok("run", "d")
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(b.bundle, "rootfs/tmp", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	process, hook := read("process"), read("hook")
	if !strings.HasPrefix(process, "1000 1001 [1002] /tmp 1 2\n") || hook != process {
		t.Errorf("the hook is\n%s; want the process's\n%s", hook, process)
	}
}
