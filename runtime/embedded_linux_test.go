package runtime_test

import (
	"errors"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/emulator"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var systemMounts = []specs.Mount{
	{Destination: "/proc", Type: "proc", Source: "proc"},
	{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
	{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666"}},
	{Destination: "/usr", Type: "bind", Source: "/usr", Options: []string{"rbind", "ro"}},
}

// systemLinks lead into /usr: a test program can need the host's libraries, for
// the race detector.
var systemLinks = []string{"lib", "lib64"}

// several lives of containers are one after the other, many one beside the other.
const several, lives = 10, 50

// leftByFirst: a pid namespace ends with its first process.
const leftByFirst = 0

func openCells(root string) (kmod.Client, error) { return emulator.Open(root) }

// openDescriptors lists those of a process that are no directory of descriptors.
func openDescriptors(t *testing.T, pid int) (fds []int) {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.HasSuffix(to, "/fd") {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	slices.Sort(fds)
	return fds
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// identity is what others see of this process.
type identity struct{ cwd, root, mounts, pids string }

func whatWeAre(t *testing.T) identity {
	t.Helper()
	link := func(name string) string {
		to, err := os.Readlink("/proc/self/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	return identity{link("cwd"), link("root"), link("ns/mnt"), link("ns/pid_for_children")}
}

// unprotected runs this program as one that did not call Embed.
func (e *embedder) unprotected(args ...string) string {
	e.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), payloadEnv...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.ExtraFiles = []*os.File{os.Stderr}
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.t.Errorf("%q: %v, %s", args, err, out)
	}
	return string(out)
}

// A program that did not call Embed is told so, and not replaced: before it enters
// a container, and before it makes one whose hooks see it.
func TestWithoutEmbed(t *testing.T) {
	const told = "has to call runtime.Embed"
	e := newEmbedder(t, nil)
	e.create("one", &runtime.Streams{})
	e.do(e.Start(t.Context(), "one"))
	if out := e.unprotected("spawn", e.root, "one"); !strings.Contains(out, told) {
		t.Errorf("Spawn said %q", out)
	}
	e.do(e.Delete(t.Context(), "one", true))
	if out := e.unprotected("create", e.root, e.bundle); out != "<nil>\n" {
		t.Errorf("Create without hooks said %q", out)
	}
	e.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/payload", Args: []string{"payload", "exit", "0"}, Env: payloadEnv}}}
	e.config()
	if out := e.unprotected("create", e.root, e.bundle); !strings.Contains(out, told) {
		t.Errorf("Create with hooks said %q", out)
	}
}

// exampleBundle is a bundle of the example's.
func exampleBundle(args ...string) (stateDir, bundle string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Panic(err)
	}
	bundle = filepath.Join(dir, "bundle")
	spec := payloadSpec(args...)
	if err := errors.Join(makeRoot(filepath.Join(bundle, "rootfs")), writeConfig(bundle, &spec)); err != nil {
		log.Panic(err)
	}
	return filepath.Join(dir, "state"), bundle, func() { _ = os.RemoveAll(dir) }
}

// Commands work beside the program on its containers, also such as end them.
func TestCommandsBeside(t *testing.T) {
	e := newEmbedder(t, nil)
	runcell := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(runcellBin(), append([]string{"--root", e.root}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("runcell %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	p := e.create("one", &runtime.Streams{})
	runcell("start", "one")
	if out := runcell("state", "one"); !strings.Contains(out, `"pid": `+strconv.Itoa(p.Pid())) {
		t.Errorf("state says %s; want the pid %d", out, p.Pid())
	}
	runcell("delete", "--force", "one")
	if ws := e.ended(p); ws.Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %#x; want SIGKILL", ws)
	}
	cmd := exec.Command(runcellBin(), "--root", e.root, "run", "--detach", "two")
	cmd.Dir = e.bundle
	e.do(cmd.Run())
	q, err := e.Spawn(t.Context(), execOptions("two", &runtime.Streams{}, "exit", "4"))
	e.do(err)
	if ws := e.ended(q); ws.ExitStatus() != 4 {
		t.Errorf("exec in the command's container ended with %#x; want 4", ws)
	}
	e.do(e.Delete(t.Context(), "two", true))
}

// lateCells are cells of which one is made just before they are listed for the
// first time.
type lateCells struct {
	kmod.Client
	before func()
}

func (c *lateCells) List() ([]kmod.Info, error) {
	if c.before != nil {
		before := c.before
		c.before = nil
		before()
	}
	return c.Client.List()
}

// A container that is made while recover looks around is no remainder.
func TestRecoverBesideACreate(t *testing.T) {
	late := &lateCells{}
	e := newEmbedder(t, func(o *runtime.Options) { late.Client, o.Kmod = o.Kmod, late })
	var p *runtime.Process
	late.before = func() { p = e.create("one", &runtime.Streams{}) }
	if done, err := e.Recover(t.Context()); len(done) > 0 || err != nil {
		t.Errorf("Recover = %q, %v; want nothing done", done, err)
	}
	if s, err := e.State("one"); err != nil || s.Status != runtime.Created {
		t.Errorf("State = %+v, %v; want it created", s, err)
	}
	e.do(e.Delete(t.Context(), "one", true))
	e.ended(p)
}
