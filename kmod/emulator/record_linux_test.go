package emulator

// What is written down of cells: locks, halves and remains.

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
)

// The locks are there while something is changed, and not longer.
func TestLocks(t *testing.T) {
	h := newHost(t)
	h.end(h.cell(kmod.Spec{}))
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	look := func(what, path string, want bool) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if free, err := flock.Try(int(f.Fd()), flock.Exclusive); err != nil || free == want {
			t.Errorf("%s: locked = %v, %v; want %v", what, !free, err, want)
		}
	}
	unlock, err := h.lock()
	if err != nil {
		t.Fatal(err)
	}
	look("the table", h.dir, true)
	unlock()
	look("the table afterwards", h.dir, false)
	if unlock, err = h.lockShared(); err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(table, bindDir)
	look("what cells share", shared, true)
	unlock()
	look("what cells share, afterwards", shared, false)
	file := namePath(table, "web")
	r, err := h.claim(&cell{Spec: kmod.Spec{Name: "web", Root: h.rootfs}})
	if err != nil {
		t.Fatal(err)
	}
	id := r.x.ID
	look("a new cell", file, true)
	look("the table, when the cell has got its name", h.dir, false)
	r.close()
	look("the cell, when it was made", file, false)
	if r, err = h.open(id); err != nil {
		t.Fatal(err)
	}
	look("a cell that is changed", file, true)
	r.close()
	look("the cell afterwards", file, false)
}

// Who has waited for a cell's lock while the cell was removed does not find it.
func TestRecordOfACellThatIsGone(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{Name: "web"})
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(namePath(table, "web"), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h.end(id)
	r := &record{fd: int(f.Fd())}
	if err := r.read(id, "web"); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("read = %v; want ErrNotFound", err)
	}
}

// A name's file is there once, and no earlier line is lost by a new one.
func TestNewRecordIsNew(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{Name: "web"})
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := newRecord(table, &cell{ID: 9, Spec: x.Spec}); !errors.Is(err, unix.EEXIST) {
		t.Errorf("newRecord of a cell that is there = %v, %v; want EEXIST", r, err)
	}
	if y, err := h.lookup(id); err != nil || y.Created != x.Created {
		t.Errorf("the cell is %+v, %v; want %+v", y, err, x)
	}
}

// withRoom runs do while no file can have more bytes than these.
func withRoom(t *testing.T, bytes int, do func()) {
	t.Helper()
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &own); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(bytes), Max: own.Max}, nil); err != nil {
		t.Fatal(err)
	}
	do()
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &own, nil); err != nil {
		t.Fatal(err)
	}
}

// Where a line has no room, the cell is what it was, and the next change does not
// go on with the half that is there.
func TestLineWithoutRoom(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{Name: "web"})
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	file := namePath(table, "web")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mark := func(x *cell) error { x.Status = new(uint32); return nil }
	withRoom(t, len(before)+10, func() { err = h.change(id, mark) })
	if !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("change without room = %v; want a short write", err)
	}
	if b, err := os.ReadFile(file); err != nil || len(b) != len(before)+10 {
		t.Fatalf("the file is %q, %v; want half a line", b, err)
	}
	if x, err := h.lookup(id); err != nil || x.Status != nil {
		t.Errorf("the cell is %+v, %v; want it as it was", x, err)
	}
	if err := h.change(id, mark); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(file)
	line := bytes.TrimSuffix(before, []byte("\n"))
	if err != nil || !bytes.HasPrefix(b, before) || !bytes.HasPrefix(b[len(before):], line[:10]) || bytes.Count(b, []byte("\n")) != 2 || bytes.IndexByte(b, 0) >= 0 {
		t.Errorf("the file is %q, %v; want one line more than %q", b, err, before)
	}
	if x, err := h.lookup(id); err != nil || x.Status == nil {
		t.Errorf("the cell is %+v, %v; want the change", x, err)
	}

	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := &record{fd: int(f.Fd())}
	if err := r.save(&cell{ID: id, Spec: kmod.Spec{Name: "web", Root: "/"}}); !errors.Is(err, unix.EBADF) {
		t.Errorf("save to a file that is open for reading = %v; want what write(2) says", err)
	}
}

// Nobody's ids are given twice, and at the end of the numbers there are none.
func TestNextID(t *testing.T) {
	for in, want := range map[string]kmod.ID{"": 1, "0000000041\n": 42, "4294967293\n": 4294967294, "4294967294\n": 0, "4294967295\n": 0, "hello\n": 0} {
		table := t.TempDir()
		file := filepath.Join(table, lastFile)
		if err := os.WriteFile(file, []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := nextID(table)
		if id != want || (err == nil) != (want != 0) || strings.HasPrefix(in, "42949") && err != nil && !errors.Is(err, unix.EOVERFLOW) {
			t.Errorf("after %q: nextID = %d, %v; want %d", in, id, err, want)
		}
		if b, _ := os.ReadFile(file); err != nil && string(b) != in {
			t.Errorf("after %q and %v there is %q", in, err, b)
		}
	}
	full := t.TempDir()
	withRoom(t, 5, func() {
		if id, err := nextID(full); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("nextID without room for it = %d, %v; want a short write", id, err)
		}
	})
	if id, err := nextID(full); id != 1 || err != nil {
		t.Errorf("nextID afterwards = %d, %v; want 1, which nobody has got", id, err)
	}
	table, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, nil, 0o600), os.Symlink(other, filepath.Join(table, lastFile))); err != nil {
		t.Fatal(err)
	}
	if id, err := nextID(table); !errors.Is(err, unix.ELOOP) {
		t.Errorf("nextID by a link = %d, %v; want ELOOP", id, err)
	}
}

// One header is there as long as there are cells, and where somebody has removed
// it, no cell is hidden.
func TestLostHeader(t *testing.T) {
	h := newHost(t)
	header := filepath.Join(h.dir, stateFile)
	h.end(h.cell(kmod.Spec{}))
	f, err := os.Open(header)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := h.cell(kmod.Spec{Name: "first"})
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink != 1 {
		t.Errorf("the header has %d names, %v: it was made again", st.Nlink, err)
	}
	if err := os.Remove(header); err != nil {
		t.Fatal(err)
	}
	if cells, err := h.List(); err != nil || len(cells) != 1 {
		t.Errorf("List without a header = %v, %v; want one cell", cells, err)
	}
	if second := h.cell(kmod.Spec{Name: "second"}); second != first+1 {
		t.Errorf("the next cell is %d; want %d", second, first+1)
	}
	if cells, err := h.List(); err != nil || len(cells) != 2 {
		t.Errorf("List = %v, %v; want two cells", cells, err)
	}
	if err := h.writeHeader(Published); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a header beside one that is there = %v; want EEXIST", err)
	}
}

// What remains of one cell is removed without another's.
func TestRemainsBesideCells(t *testing.T) {
	h := newHost(t)
	other := h.cell(kmod.Spec{Name: "other"})
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	leave := func(id kmod.ID, name string) {
		t.Helper()
		if err := errors.Join(os.Symlink(linkTo(name), idPath(table, id)), os.WriteFile(namePath(table, name), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	foreign := idPath(table, 70)
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	leave(71, "web")
	leave(72, ".") // which is what a path without a name ends in
	for _, name := range []string{"web", "."} {
		h.end(h.cell(kmod.Spec{Name: name}))
		if name, err := h.Name(other); err != nil || name != "other" {
			t.Errorf("the other cell's name is %q, %v", name, err)
		}
		if _, err := os.Lstat(foreign); err != nil {
			t.Errorf("what is no link of ours: %v", err)
		}
	}
	if err := h.Destroy(70); !errors.Is(err, unix.EINVAL) {
		t.Errorf("Destroy by what is no link = %v; want what readlink(2) says", err)
	}
	if err := os.Remove(foreign); err != nil {
		t.Error(err)
	}
	// A Create that has gone on meanwhile.
	if found, err := h.clear(other); found || err != nil {
		t.Errorf("clear of a cell = %v, %v; want nothing done", found, err)
	}
	if _, err := h.Name(other); err != nil {
		t.Error(err)
	}
	// A file that can't be read is not one that is not there.
	if err := errors.Join(os.Symlink(linkTo("odd"), idPath(table, 73)), os.Mkdir(namePath(table, "odd"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if found, err := h.clear(73); found || err == nil {
		t.Errorf("clear beside a directory = %v, %v; want an error", found, err)
	}
	if err := errors.Join(os.Remove(idPath(table, 73)), os.Remove(namePath(table, "odd"))); err != nil {
		t.Errorf("the link is to stay: %v", err)
	}
}

// Destroy waits a moment for a cell that is dying.
func TestDestroyOfADyingCell(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	first := h.start(id, "wait")
	first.line()
	later := h.start(id, "wait")
	later.line()
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	if err := eventually(func() (bool, error) { return x.dying() }); err != nil {
		t.Fatal(err)
	}
	// The first process ends when somebody has waited for the later one.
	begun := time.Now()
	if err := h.Destroy(id); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Destroy of a cell that can't end = %v; want ErrBusy", err)
	}
	if took := time.Since(begun); took < 150*time.Millisecond {
		t.Errorf("Destroy has waited for %v", took)
	}
	later.end()
	first.end()
	h.end(id)
}

// A part of a port is a cell's once, however often it is named.
func TestPartsOfPorts(t *testing.T) {
	h := newHost(t)
	a := netip.MustParseAddr("192.0.2.1")
	b := a.Next()
	one := h.cell(kmod.Spec{Name: "one", Ports: []kmod.Port{{Port: 80, Addr: a}, {Port: 80, Addr: b}, {Port: 81}, {Port: 81, Proto: "tcp"}}})
	two := h.cell(kmod.Spec{Name: "two", Ports: []kmod.Port{{Port: 80, Addr: b.Next()}}})
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := owners(portsDir(table, 81, unix.IPPROTO_TCP)); err != nil || len(ids) != 1 || ids[0] != one {
		t.Errorf("port 81 is %v's, %v; want %d", ids, err, one)
	}
	h.cell(kmod.Spec{Name: "three", Ports: []kmod.Port{{Port: 80, Addr: b.Next().Next()}}})
	if ids, err := owners(portsDir(table, 80, unix.IPPROTO_UDP)); err != nil || len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("port 80 is %v's, %v; want two cells", ids, err)
	}
	_, err = h.Create(kmod.Spec{Name: "four", Root: h.rootfs, Ports: []kmod.Port{{Port: 81, Addr: a}}})
	if !errors.Is(err, kmod.ErrPortInUse) || !strings.Contains(err.Error(), "cell one") {
		t.Errorf("Create with a part of a port = %v; want ErrPortInUse, and whose it is", err)
	}
	h.end(two)
	if ids, err := owners(portsDir(table, 80, unix.IPPROTO_TCP)); err != nil || len(ids) != 2 {
		t.Errorf("port 80 is %v's, %v; want two cells", ids, err)
	}
	dir := portsDir(table, 99, unix.IPPROTO_TCP)
	file := filepath.Join(dir, anyName)
	for range 2 {
		if err := mark(file, one); err != nil {
			t.Error(err)
		}
	}
	if err := mark(file, two); !errors.Is(err, unix.EEXIST) {
		t.Errorf("mark of another's port = %v; want EEXIST", err)
	}
	if err := errors.Join(unmark(file, two), unmark(filepath.Join(dir, "other"), one)); err != nil {
		t.Errorf("unmark of what is not one's own: %v", err)
	}
	if owner, err := ownerOf(file); err != nil || owner != one {
		t.Errorf("the port is cell %d's, %v; want %d", owner, err, one)
	}
	if err := errors.Join(unmark(file, one), os.Remove(dir)); err != nil {
		t.Error(err)
	}
	if got := nameOfCell(table, 99); got != "99" {
		t.Errorf("a cell without a link is called %q", got)
	}
}
