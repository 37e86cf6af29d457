package runtime_test

// What programs of a container see of the runcell processes beside them, with
// every right that the default gives: CAP_SYS_PTRACE opens all of /proc/PID.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// triesVar is the environment variable with how often a neighbour may look, for
// those who have the time.
const triesVar = "RUNCELL_NEIGHBOUR_TRIES"

// tries is how many processes come into each neighbour's container.
func tries(t *testing.T, few int) int {
	t.Helper()
	text, ok := os.LookupEnv(triesVar)
	if !ok {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: no number from 1", triesVar, text)
	}
	return n
}

// rights are who a neighbour may be, from the most to the least, and what it
// does. What root with the permission trace can do to a process that it stops
// is said in docs/security.md.
var rights = []struct {
	name string
	does []string
	give func(*specs.Process)
}{
	{"root with trace", []string{"look", "kill"}, func(*specs.Process) {}},
	{"root without trace", []string{"look", "trace", "kill"}, func(p *specs.Process) {
		few := []string{"CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN"}
		p.Capabilities = &specs.LinuxCapabilities{Bounding: few, Effective: few, Permitted: few}
	}},
	{"user", []string{"look", "trace", "kill"}, func(p *specs.Process) { p.User = specs.User{UID: 1000, GID: 1000} }},
}

// TestNeighbourSeesNothing: CVE-2016-9962. A program that looks at all that
// /proc shows of every process that comes up finds nothing that leads out,
// while one after the other comes in: by exec, also with a descriptor of the
// caller's. It may also stop each process to look, or kill it.
func TestNeighbourSeesNothing(t *testing.T) {
	for _, who := range rights {
		for _, does := range who.does {
			t.Run(who.name+", "+does, func(t *testing.T) {
				b := newBox(t)
				who.give(b.spec.Process)
				b.spec.Process.Args = []string{"/probe", "neighbour", does}
				b.run("state", "none") // writes config.json
				out := b.tempFile()
				cmd := exec.Command(b.bin, "--root", b.root, "run", "--detach", "n")
				cmd.Dir, cmd.Stdout = b.bundle, out
				if err := cmd.Run(); err != nil {
					t.Fatal(err)
				}
				for i := range tries(t, 20) {
					b.visit(i, does == "kill")
				}
				b.ok("delete", "--force", "n")
				sawNothing(t, out.Name(), nil)
			})
		}
	}
}

// visit lets a process into the neighbour's container, every other with a
// descriptor. Where it may be killed it only has to end.
func (b *box) visit(i int, killed bool) {
	b.t.Helper()
	cmd := exec.Command(b.bin, "--root", b.root, "exec", "n", "/probe", "exit", "0")
	if i%2 == 1 {
		mine, err := os.Open(filepath.Join(b.bundle, "rootfs/probe"))
		if err != nil {
			b.t.Fatal(err)
		}
		defer func() { _ = mine.Close() }()
		cmd = exec.Command(b.bin, "--root", b.root, "exec", "--preserve-fds", "1", "n", "/probe", "exit", "0")
		cmd.ExtraFiles = []*os.File{mine}
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGABRT) })
	defer limit.Stop()
	if out, err := cmd.CombinedOutput(); err != nil && !killed || strings.Contains(string(out), "goroutine ") {
		b.t.Fatalf("visit %d: %v: %s", i, err, out)
	}
}

// sawNothing checks what a neighbour printed: nothing, but for files that may
// be seen.
func sawNothing(t *testing.T, path string, may []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	got := strings.Split(strings.TrimSpace(string(raw)), "\n")
	got = slices.DeleteFunc(got, func(line string) bool { return slices.Contains(may, line) })
	if err != nil || !slices.Equal(got, []string{"ready"}) {
		t.Errorf("seen from inside: %q, %v; want nothing but ready", got, err)
	}
}

// TestNeighbourOfHooks: a hook that stays behind sees the hooks after it, and
// the start of the program.
func TestNeighbourOfHooks(t *testing.T) {
	const each = 10
	for _, who := range rights {
		for _, does := range who.does {
			if does == "kill" {
				continue // a hook that is killed fails the start
			}
			t.Run(who.name+", "+does, func(t *testing.T) {
				b := newBox(t)
				if err := os.Chmod(filepath.Join(b.bundle, "rootfs/tmp"), 0o777); err != nil {
					t.Fatal(err)
				}
				who.give(b.spec.Process)
				b.spec.Process.Args = []string{"/probe", "exit", "0"}
				hook := func(args ...string) specs.Hook {
					return specs.Hook{Path: "/probe", Args: append([]string{"probe"}, args...)}
				}
				b.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{hook("neighbour", does, "behind")}}
				for range each - 1 {
					b.spec.Hooks.StartContainer = append(b.spec.Hooks.StartContainer, hook("exit", "0"))
				}
				start := []string{"file " + filepath.Join(b.root, "n/exec.fifo"), "file " + filepath.Join(b.root, "n/init.error")}
				for range (tries(t, 20) + each - 1) / each {
					b.ok("create", "n")
					b.ok("start", "n")
					b.ok("delete", "--force", "n")
					seen := filepath.Join(b.bundle, "rootfs/tmp/seen")
					sawNothing(t, seen, start)
					if err := os.Remove(seen); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
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
