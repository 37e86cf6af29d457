package runtime_test

// Integration tests on the emulator, with the real binary: each one a user's
// story or an attack. They need root; what a test leaves behind fails it.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/runtime"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Programs that are built when a test asks for the first time: most make their
// containers in their own process, and need none.
var (
	runcellBin = built("runcell", "../cmd/runcell")
	faultBin   = built("runcell-fault", "-tags", "faultinject", "../cmd/runcell")
	probeBin   = built("probe", "./testdata/probe")
)

// programs is where they are, until TestMain ends.
var programs string

func built(name string, args ...string) func() string {
	return sync.OnceValue(func() string {
		bin := filepath.Join(programs, name)
		cmd := exec.Command("go", append([]string{"build", "-o", bin}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("build %s: %v\n%s", name, err, out))
		}
		return bin
	})
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	err := runtime.Embed() // embedded_linux_test.go
	if err == nil {
		programs, err = os.MkdirTemp("", "runcell-test")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(programs) }()
	return m.Run()
}

// box is one test's state root and bundle.
type box struct {
	t      *testing.T
	bin    string
	root   string
	bundle string
	spec   specs.Spec
}

// newBox makes a bundle whose program is the probe, and checks at the end
// that nothing is left of its containers.
func newBox(t *testing.T) *box {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests make cells and need root")
	}
	dir := t.TempDir()
	b := &box{t: t, bin: runcellBin(), root: filepath.Join(dir, "state"), bundle: filepath.Join(dir, "bundle")}
	for _, d := range []string{"proc", "dev", "tmp", "etc", "usr/bin"} {
		if err := os.MkdirAll(filepath.Join(b.bundle, "rootfs", d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	probe, err := os.ReadFile(probeBin())
	if err != nil {
		t.Fatal(err)
	}
	b.file("rootfs/probe", string(probe), 0o755)
	b.spec = specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"/probe", "sleep"}, Env: []string{"PATH=/usr/bin:/"}, Cwd: "/"},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666"}},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "pid"}, {Type: "mount"}, {Type: "ipc"}, {Type: "uts"}}},
	}
	t.Cleanup(b.sweep)
	return b
}

func (b *box) file(name, content string, mode os.FileMode) {
	b.t.Helper()
	p := filepath.Join(b.bundle, name)
	if err := os.WriteFile(p, []byte(content), mode); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(p, mode); err != nil {
		b.t.Fatal(err)
	}
}

// result is what a command left.
type result struct {
	stdout, stderr string
	status         int
}

// run writes config.json and runs runcell in the bundle.
func (b *box) run(args ...string) result { return b.runEnv(nil, args...) }

func (b *box) runEnv(env []string, args ...string) result {
	b.t.Helper()
	cfg, err := json.Marshal(b.spec)
	if err != nil {
		b.t.Fatal(err)
	}
	b.file("config.json", string(cfg), 0o644)
	cmd := exec.Command(b.bin, append([]string{"--root", b.root}, args...)...)
	cmd.Dir = b.bundle
	cmd.Env = append([]string{}, env...)
	// Files, not pipes: what a detached container holds open must not keep
	// the test waiting.
	out, errs := b.tempFile(), b.tempFile()
	cmd.Stdout, cmd.Stderr = out, errs
	done := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	err = cmd.Run()
	done.Stop()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		b.t.Fatal(err)
	}
	return result{b.read(out), b.read(errs), cmd.ProcessState.ExitCode()}
}

func (b *box) tempFile() *os.File {
	f, err := os.CreateTemp(b.t.TempDir(), "")
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

func (b *box) read(f *os.File) string {
	defer func() { _ = f.Close() }()
	s, err := os.ReadFile(f.Name())
	if err != nil {
		b.t.Fatal(err)
	}
	return string(s)
}

// ok is run for a command that has to succeed.
func (b *box) ok(args ...string) string {
	b.t.Helper()
	r := b.run(args...)
	if r.status != 0 {
		b.t.Fatalf("runcell %s = %d: %s%s", strings.Join(args, " "), r.status, r.stdout, r.stderr)
	}
	return r.stdout
}

// sweep looks for what must not be left: state, processes of the bundle,
// mounts on it, cgroups of its cells.
func (b *box) sweep() {
	if b.t.Failed() {
		for _, e := range b.ids() {
			b.run("delete", "--force", e)
		}
		return
	}
	if ids := b.ids(); len(ids) > 0 {
		b.t.Errorf("containers left: %v", ids)
	}
	if left := processesOf(b.bundle); len(left) > 0 {
		b.t.Errorf("processes left: %v", left)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(b.root))
	var st unix.Stat_t
	if err := unix.Stat(b.root, &st); err == nil { // else no container was made
		_, _ = fmt.Fprintf(h, " %d %d", st.Dev, st.Ino)
	}
	cgroups, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/*/runcell.%x", h.Sum64()))
	if more, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/runcell.%x", h.Sum64())); len(cgroups)+len(more) > 0 {
		b.t.Errorf("cgroups left: %v %v", cgroups, more)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || bytes.Contains(mounts, []byte(b.bundle)) {
		b.t.Errorf("mounts left on the bundle (%v):\n%s", err, mounts)
	}
}

func (b *box) ids() []string {
	entries, _ := os.ReadDir(b.root)
	var ids []string
	for _, e := range entries {
		if e.Name()[0] != '@' {
			ids = append(ids, e.Name())
		}
	}
	return ids
}

// processesOf finds processes whose root directory is below dir, and runcell
// processes that have it as their working directory.
func processesOf(dir string) []string {
	var left []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		for _, link := range []string{"root", "cwd"} {
			if to, err := os.Readlink(filepath.Join(p, link)); err == nil && strings.HasPrefix(to, dir) {
				cmd, _ := os.ReadFile(filepath.Join(p, "cmdline"))
				left = append(left, p+" "+string(bytes.ReplaceAll(cmd, []byte{0}, []byte{' '})))
			}
		}
		exe, err := os.Readlink(filepath.Join(p, "exe"))
		if err == nil && exe == "/probe" {
			if info, err := os.ReadFile(filepath.Join(p, "mountinfo")); err == nil && bytes.Contains(info, []byte(dir)) {
				left = append(left, p+" /probe")
			}
		}
	}
	return left
}
