package runtime_test

// What a container's process is given by its caller.

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// withShell shows the host's programs to the container, for what a Go program
// can't tell: it raises its limit of open files before main.
func (b *box) withShell(script string) {
	b.t.Helper()
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/host/usr", Type: "bind", Source: "/usr", Options: []string{"rbind", "ro"}})
	for _, dir := range []string{"lib", "lib64"} {
		if err := os.Symlink("host/usr/"+dir, filepath.Join(b.bundle, "rootfs", dir)); err != nil {
			b.t.Fatal(err)
		}
	}
	b.spec.Process.Args = []string{"/host/usr/bin/sh", "-c", script}
}

// The limit of open files is the caller's, also where the caller is no parent
// that has it: a service manager, sudo, prlimit. Go has raised our own.
func TestCallersNofile(t *testing.T) {
	b := newBox(t)
	b.withShell("ulimit -Sn; ulimit -Hn")
	b.run("state", "none") // writes config.json
	cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn 100; ulimit -Hn 300; exec "$0" "$@"`, b.bin, "--root", b.root, "run", "limited")
	cmd.Dir = b.bundle
	out, err := cmd.CombinedOutput()
	if got := strings.Fields(string(out)); err != nil || len(got) != 2 || got[0] != "100" || got[1] != "300" {
		t.Errorf("the program's limits are %q, %v; want 100 and 300", out, err)
	}
}

// Too few descriptors are told at once: not in the middle, not as something
// else, and with nothing left behind.
func TestTooFewDescriptors(t *testing.T) {
	b := newBox(t)
	b.run("state", "none") // writes config.json
	for _, n := range []string{"6", "8", "20", "63"} {
		cmd := exec.Command("/bin/sh", "-c", `ulimit -n `+n+`; exec "$0" "$@"`, b.bin, "--root", b.root, "run", "few")
		cmd.Dir = b.bundle
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "the limit of open files is "+n) {
			t.Errorf("with %s descriptors: %v: %.300s", n, err, out)
		}
	}
	if ids := b.ids(); len(ids) > 0 {
		t.Errorf("left: %v", ids)
	}
}

// A limit on the user's processes that has room for one more lets one more in,
// and it has that limit.
func TestLimitOfProcessesHasRoomForExec(t *testing.T) {
	b := newBox(t)
	b.withShell("exec /host/usr/bin/sleep 1000")
	b.spec.Process.User = specs.User{UID: 54321, GID: 54321} // nobody else's on this machine
	b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 2, Hard: 3}}
	b.ok("run", "--detach", "n")
	if got := b.ok("exec", "n", "/host/usr/bin/sh", "-c", "ulimit -Sp; ulimit -Hp"); strings.Fields(got)[0] != "2" || strings.Fields(got)[1] != "3" {
		t.Errorf("the limits of one that came in are %q; want 2 and 3", got)
	}
	b.ok("delete", "--force", "n")
}

// Output that can't be shown is an error, and not only the program's.
func TestLostOutputIsTold(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Terminal = true
	b.spec.Process.Args = []string{"/probe", "ls", "/"}
	b.run("state", "none") // writes config.json
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var errs strings.Builder
	cmd := exec.Command(b.bin, "--root", b.root, "run", "f")
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.bundle, full, &errs
	if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), "show output: write /dev/stdout: no space left on device") {
		t.Errorf("run = %v, %q; want an error that says what is lost", err, errs.String())
	}
}
