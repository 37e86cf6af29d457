package runtime_test

// The package as a program calls it that goes on while its containers run.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/emulator"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
)

// embedded is a box whose containers this process makes.
type embedded struct {
	*box
	*runtime.Runtime
}

func embed(t *testing.T, change func(*runtime.Options)) embedded {
	t.Helper()
	b := newBox(t)
	client, err := emulator.Open(b.root)
	if err != nil {
		t.Fatal(err)
	}
	o := runtime.Options{Root: b.root, Kmod: client, Embedded: true}
	if change != nil {
		change(&o)
	}
	return embedded{b, runtime.New(o)}
}

// config writes config.json.
func (e embedded) config() {
	e.t.Helper()
	cfg, err := json.Marshal(e.spec)
	if err != nil {
		e.t.Fatal(err)
	}
	e.file("config.json", string(cfg), 0o644)
}

// create makes a container with pipes for its output.
func (e embedded) create(id string, out *os.File) *runtime.Process {
	e.t.Helper()
	p, err := e.Create(e.t.Context(), runtime.CreateOptions{ID: id, Bundle: e.bundle, Streams: &runtime.Streams{Out: out, Err: out}})
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

func descriptors(t *testing.T, pid int) map[string]string {
	t.Helper()
	fds := map[string]string{}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			fds[e.Name()] = to
		}
	}
	return fds
}

var _ = oci.Process{}

func TestEmbeddedLife(t *testing.T) {
	e := embed(t, nil)
	e.spec.Process.Args = []string{"/probe", "sleep"}
	e.config()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := e.create("one", w)
	w.Close()
	t.Log(p.Pid(), descriptors(t, p.Pid()))
	if err := e.Start(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	t.Log(p.Pid(), descriptors(t, p.Pid()))
	q, err := e.Spawn(t.Context(), runtime.ExecOptions{ID: "one", Process: &oci.Process{Args: []string{"/probe", "sleep"}, Cwd: "/"}, Streams: &runtime.Streams{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(q.Pid(), descriptors(t, q.Pid()))
	if err := e.Delete(t.Context(), "one", true); err != nil {
		t.Fatal(err)
	}
	t.Log(p.Wait(t.Context()))
	t.Log(q.Wait(t.Context()))
}
