package runtime_test

// The list says what is asked one by one.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime"
)

// writeRecord makes a container out of a record, at once as runcell does.
func writeRecord(root, id string, cell kmod.ID) error {
	b, err := json.Marshal(map[string]any{"id": id, "phase": runtime.Created, "cell": cell, "pid": os.Getpid()})
	if err != nil {
		return err
	}
	dir := filepath.Join(root, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(dir+"/new", dir+"/state.json")
}

// one is a container as it is when it is asked for alone.
func (e *embedder) one(id string) (l runtime.Listed, cell runtime.Cell) {
	e.t.Helper()
	s, err := e.State(id)
	e.do(err)
	l.State = s
	status, known, err := e.ExitStatus(e.t.Context(), id)
	e.do(err)
	if known {
		l.ExitStatus = &status
	}
	cells, err := e.Cells()
	e.do(err)
	for _, c := range cells {
		if c.Container == id {
			claims, err := e.CellClaims(c)
			e.do(err)
			l.Ports, cell = claims.Ports, c
		}
	}
	return l, cell
}

func TestListing(t *testing.T) {
	e := newEmbedder(t, nil)
	e.create("created", &runtime.Streams{})
	e.create("runs", &runtime.Streams{})
	e.do(e.Start(t.Context(), "runs"))
	e.config("exit", "3")
	ended := e.create("ended", &runtime.Streams{})
	e.do(e.Start(t.Context(), "ended"))
	e.ended(ended)
	features, err := e.Features()
	e.do(err)
	if features.Ports.Level == kmod.Enforced {
		e.spec.Annotations = map[string]string{"org.netbsd.cell.reserved-ports": "8098,192.0.2.1:8099/tcp"}
	}
	e.config("sleep")
	e.create("port", &runtime.Streams{})
	e.do(e.Start(t.Context(), "port"))
	want := map[string]runtime.Listed{}
	var cell runtime.Cell
	for _, id := range []string{"created", "runs", "ended", "port"} {
		want[id], cell = e.one(id)
	}
	if features.Ports.Level == kmod.Enforced && len(want["port"].Ports) != 2 {
		t.Errorf("port = %+v; want two ports", want["port"])
	}
	// The cell's number is another's since a reboot.
	e.do(writeRecord(e.root, "old", cell.ID))
	state, err := e.State("old")
	e.do(err)
	want["old"] = runtime.Listed{State: state}
	list, err := e.Listing(t.Context())
	if err != nil || len(list) != len(want) {
		t.Errorf("Listing gives %d, %v; want %d", len(list), err, len(want))
	}
	for _, l := range list {
		if !reflect.DeepEqual(l, want[l.ID]) {
			t.Errorf("Listing says of %s %+v, %+v; want %+v, %+v", l.ID, l.State, l, want[l.ID].State, want[l.ID])
		}
	}
	for id := range want {
		e.do(e.Delete(t.Context(), id, true))
	}
}

// counted are cells of which the questions are counted.
type counted struct {
	kmod.Client
	list, names, name, claims int
}

func (c *counted) List() ([]kmod.Info, error)             { c.list++; return c.Client.List() }
func (c *counted) Names() (map[kmod.ID]string, error)     { c.names++; return c.Client.Names() }
func (c *counted) Name(id kmod.ID) (string, error)        { c.name++; return c.Client.Name(id) }
func (c *counted) Claims(id kmod.ID) (kmod.Claims, error) { c.claims++; return c.Client.Claims(id) }

// The kernel is asked about no container that runs and has no port; if any has
// stopped, once about all.
func TestListingAsksLittle(t *testing.T) {
	var c counted
	e := newEmbedder(t, func(o *runtime.Options) { c.Client, o.Kmod = o.Kmod, &c })
	first, second := e.create("a", &runtime.Streams{}), e.create("b", &runtime.Streams{})
	asks := func(want counted) {
		t.Helper()
		c = counted{Client: c.Client}
		list, err := e.Listing(t.Context())
		if want.Client = c.Client; err != nil || len(list) != 2 || c != want {
			t.Errorf("Listing gives %d, %v and asks %+v; want %+v", len(list), err, c, want)
		}
	}
	asks(counted{})
	for id, p := range map[string]*runtime.Process{"a": first, "b": second} {
		e.do(e.Kill(id, syscall.SIGKILL, true))
		e.ended(p)
	}
	asks(counted{names: 1})
	for _, id := range []string{"a", "b"} {
		e.do(e.Delete(t.Context(), id, true))
	}
}

// A command that has made a container's process, or finds it alive, need not ask
// whose its cell is: NetBSD's kernel would have to list all.
func TestWhoseCellIsKnown(t *testing.T) {
	var c counted
	e := newEmbedder(t, func(o *runtime.Options) { c.Client, o.Kmod = o.Kmod, &c })
	e.config("exit", "3")
	status, err := e.Run(t.Context(), runtime.CreateOptions{ID: "a", Bundle: e.bundle, Streams: &runtime.Streams{}})
	if err != nil || status != 3 {
		t.Errorf("Run = %d, %v; want 3", status, err)
	}
	e.config("sleep")
	p := e.create("b", &runtime.Streams{})
	e.do(e.Delete(t.Context(), "b", true))
	e.ended(p)
	if c.list+c.names+c.name > 0 {
		t.Errorf("run and delete --force ask %+v", c)
	}
	q := e.create("c", &runtime.Streams{})
	e.do(e.Kill("c", syscall.SIGKILL, true))
	e.ended(q)
	e.do(e.Delete(t.Context(), "c", false))
	if c.list+c.names+c.name != 1 {
		t.Errorf("delete of a container that has stopped asks %+v; want one question", c)
	}
}

// stopped makes n containers whose process has gone.
func stopped(t testing.TB, n int) (r *runtime.Runtime, root string) {
	t.Helper()
	root = t.TempDir()
	r, err := openRuntime(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := writeRecord(root, "c"+strconv.Itoa(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	return r, root
}

// Who lists while others come and go sees all that stay, in order, and no error.
func TestListingBesideOthers(t *testing.T) {
	const stay, rounds = 450, 30 // enough for several threads
	r, root := stopped(t, stay)
	over, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-over:
				done <- nil
				return
			default:
			}
			if err := writeRecord(root, "goes", 1); err != nil {
				done <- err
				return
			}
			if err := os.RemoveAll(filepath.Join(root, "goes")); err != nil {
				done <- err
				return
			}
		}
	}()
	for range rounds {
		list, err := r.Listing(t.Context())
		if err != nil {
			t.Error(err)
		}
		seen, serr := r.Survey(func(string) bool { return true })
		states, lerr := r.List()
		if serr != nil || lerr != nil {
			t.Errorf("Survey: %v, List: %v", serr, lerr)
		}
		for what, ids := range map[string][]string{
			"Listing": idsOf(list, func(l runtime.Listed) string { return l.ID }),
			"Survey":  idsOf(seen, func(s runtime.Seen) string { return s.ID }),
			"List":    idsOf(states, func(s *runtime.State) string { return s.ID }),
		} {
			if !slices.IsSorted(ids) || len(slices.DeleteFunc(ids, func(id string) bool { return id == "goes" })) != stay {
				t.Errorf("%s gives %q; want the %d that stay, in order", what, ids, stay)
			}
		}
	}
	close(over)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func idsOf[T any](list []T, id func(T) string) (ids []string) {
	for _, one := range list {
		ids = append(ids, id(one))
	}
	return ids
}

func BenchmarkListing(b *testing.B) {
	r, _ := stopped(b, 500)
	b.ReportAllocs()
	for b.Loop() {
		if list, err := r.Listing(b.Context()); err != nil || len(list) != 500 {
			b.Fatal(len(list), err)
		}
	}
}
