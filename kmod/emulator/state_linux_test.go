package emulator

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// full is a cell with everything set, fullLine its line.
var full = cell{
	ID: 7, Module: Published, Draft: true, Created: 12 * time.Second, First: process{Pid: 42, Start: 99}, Status: new(uint32),
	Cgroup: "/sys/fs/cgroup/runcell.1/7", Pids: "/sys/fs/cgroup/pids/runcell.1/7",
	Spec: kmod.Spec{
		Name: "web", Root: "/a b=c/\xff", Profile: policy.High, Permissions: 1<<63 | 1, Network: kmod.NetworkAddresses,
		Ports: []kmod.Port{
			{Port: 80},
			{Port: 81, Proto: "tcp"},
			{Port: 82, Addr: netip.MustParseAddr("192.0.2.1"), Proto: "udp"},
			{Port: 83, Addr: netip.MustParseAddr("fe80::1%wm0")},
		},
		Addresses:    []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.2")},
		MaxProcesses: 10, CgroupsPath: "/web.slice/x", RlimitNofile: kmod.Unlimited, RlimitAS: 1, RlimitCore: 2,
	},
}

const fullLine = "7\tweb\troot=/a b=c/\xff\tprofile=2\tpermissions=9223372036854775809" +
	"\tports=80,81/tcp,192.0.2.1:82/udp,[fe80::1%wm0]:83\taddresses=192.0.2.1,::ffff:192.0.2.2\tnetwork=addresses" +
	"\tprocesses=10\tnofile=18446744073709551615\tas=1\tcore=2\tcreated=12000000000\tpid=42\tstart=99\tstatus=0" +
	"\tcgroup=/sys/fs/cgroup/runcell.1/7\tpids=/sys/fs/cgroup/pids/runcell.1/7\tpath=/web.slice/x\tmodule=published\tdraft=1\n"

func TestLine(t *testing.T) {
	for want, c := range map[string]cell{
		fullLine:                {},
		"1\tsmall\troot=/srv\n": {ID: 1, Module: Current, Spec: kmod.Spec{Name: "small", Root: "/srv"}},
	} {
		if want == fullLine {
			c = full
		}
		if got := c.row().append(nil); string(got) != want {
			t.Errorf("line = %q; want %q", got, want)
		}
		if got, err := c.row().decode(); err != nil || !reflect.DeepEqual(*got, c) {
			t.Errorf("decode = %+v, %v; want %+v", got, err, c)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for data, want := range map[string]string{
		"":                                     "no root",
		"root=/x\tcolour=red":                  `unknown field "colour"`,
		"root=/x\tprofile=256":                 "profile",
		"root=/x\tcreated=-1":                  "created",
		"root=/x\tcreated=9223372036854775808": "created", // which int64 takes for a negative one
		"root=/x\tports=80,":                   "ports",
		"root=/x\taddresses=host":              "addresses",
		"root=/x\tstatus=":                     "status",
		"root=/x\tmodule=current":              "module",
		"root=/x\tdraft=0":                     "draft",
	} {
		if _, err := (row{id: 1, name: "x", data: []byte(data)}).decode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("decode(%q) = %v; want an error with %q", data, err, want)
		}
	}
	if x, err := (row{id: 1, name: "x", data: []byte("root=/x\tcreated=0\tpid=0")}).decode(); err != nil || x.Created != 0 {
		t.Errorf("decode of a nought = %+v, %v", x, err)
	}
}

func TestParseHeader(t *testing.T) {
	for in, want := range map[string]Module{
		"cells 3 b\n": Current, "cells 3-published b\n": Published,
		"cells 3 a\n":           "", // of another boot
		"cells 3-published a\n": "",
		"cells 9 a\nhello\n":    "", // and its damage
		"cells 2 b\n26\n":       "", // the version before's, without cells
		"cells 2-published b\n": "",
		"":                      "", // it was not written before ...
		"\x00\x00\x00":          "", // ... the power was lost
		"\x00\x00 3 b\nmore\n":  "", // the first page was lost
	} {
		if m, err := parseHeader([]byte(in), "b"); m != want || err != nil {
			t.Errorf("parseHeader(%q) = %q, %v; want %q", in, m, err, want)
		}
	}
	for _, in := range []string{
		"cells 2 b\n1\tweb\troot=/\n", "cells 4 b\n", "cells 3\n", "cells 3-published\n", "cells 3-other b\n", "hello 3 a\n",
		"3 b\n", "3-published b\n", "2\n", "cells 3 b", "cells 3-published b", "cells 2 b",
	} {
		if m, err := parseHeader([]byte(in), "b"); m != "" || err == nil || !strings.Contains(err.Error(), "another version of runcell") {
			t.Errorf("parseHeader(%q) = %q, %v; want an error that names the way out", in, m, err)
		}
	}
}

// A table that another version of runcell has written is left alone, and no
// command takes its cells for gone.
func TestAnotherVersionsTable(t *testing.T) {
	h := newHost(t)
	boot, err := h.boot()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(h.dir, stateFile)
	text := "cells 2 " + boot + "\n1\tweb\troot=/\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"OpenAs":  func() error { _, err := OpenAs(h.root, Current); return err },
		"Create":  func() error { _, err := h.Create(kmod.Spec{Name: "x", Root: h.rootfs}); return err },
		"List":    func() error { _, err := h.List(); return err },
		"Enter":   func() error { _, err := h.Enter(1); return err },
		"Kill":    func() error { return h.Kill(1, 9) },
		"Destroy": func() error { return h.Destroy(1) },
		"Name":    func() error { _, err := h.Name(1); return err },
	} {
		if err := call(); err == nil || errors.Is(err, kmod.ErrNotFound) || !strings.Contains(err.Error(), "another version of runcell") {
			t.Errorf("%s = %v; want an error that says whose the table is", what, err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != text {
		t.Errorf("the table is %q, %v; want it untouched", b, err)
	}
	if err := os.Remove(file); err != nil { // for the sweep
		t.Fatal(err)
	}
}

func TestParseRecord(t *testing.T) {
	const one = "7\tweb\troot=/a\n"
	for in, want := range map[string]string{
		one:                                 "/a",
		one + "7\tweb\troot=/b\n":           "/b",
		one + "7\tweb\troot=/b\n7\tweb\tro": "/b", // half a line is none
		one + "7\tweb\troot=/b":             "/a",
	} {
		x, line, whole, err := parseRecord(7, []byte(in))
		if err != nil || x.Spec.Root != want || !strings.HasSuffix(in[:whole], string(line)+"\n") {
			t.Errorf("parseRecord(%q) = %+v, %q, %d, %v; want root %s", in, x, line, whole, err, want)
		}
	}
	for in, want := range map[string]string{
		"": kmod.ErrNotFound.Error(), "7\tweb\troot=/a": kmod.ErrNotFound.Error(), "8\tweb\troot=/a\n": kmod.ErrNotFound.Error(),
		"7\tweb\t\n": "no root", "7\tweb\n": "want id, name", "0\tweb\troot=/\n": "number from 1", "4294967295\tweb\troot=/\n": "number from 1",
		"7\ta/b\troot=/\n": "not allowed", "\n": "number from 1", "07\tweb\troot=/\n": "number from 1", "x\tweb\troot=/\n": "number from 1",
	} {
		if _, _, _, err := parseRecord(7, []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseRecord(%q) = %v; want %q", in, err, want)
		}
	}
}

// files lists a table, but for what stays when it has no cells.
func (h *host) files() (list []string) {
	h.t.Helper()
	table, err := h.table()
	if err != nil {
		h.t.Fatal(err)
	}
	err = filepath.WalkDir(table, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != lastFile {
			list = append(list, strings.TrimPrefix(path, table))
		}
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
	return list
}

// Every file that a kill or a concurrent reader can see of a cell is the cell
// before a change or after, and the next change makes it whole.
func TestEveryCutOfARecord(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	first := h.start(id, "wait", "exit=3")
	first.line()
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	file := namePath(table, "cell")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	made := bytes.IndexByte(b, '\n') + 1
	for n := range len(b) + 1 {
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := h.lookup(id)
		switch {
		case n < made:
			if !errors.Is(err, kmod.ErrNotFound) {
				t.Fatalf("first %d bytes: %v; want ErrNotFound", n, err)
			}
			continue
		case err != nil || (x.First.Pid != 0) != (n == len(b)):
			t.Fatalf("first %d bytes = %+v, %v", n, x, err)
		}
		if err := h.Entered(id, first.pid); err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("first %d bytes and a change: %q, %v; want %q", n, again, err, b)
		}
	}
}

// Whatever a Create or a Destroy that was killed leaves is told by List, is no
// cell to the others, and goes with Destroy or when the name is used again.
func TestRemains(t *testing.T) {
	for name, line := range map[string]string{"a link": "-", "an empty file": "", "half a line": "1\tweb\troot=/va"} {
		h := newHost(t)
		if _, err := h.List(); err != nil {
			t.Fatal(err)
		}
		h.end(h.cell(kmod.Spec{})) // makes the table
		table, err := h.table()
		if err != nil {
			t.Fatal(err)
		}
		leave := func(id kmod.ID) {
			if err := unix.Symlink(linkTo("web"), idPath(table, id)); err != nil {
				t.Fatal(err)
			}
			if line != "-" {
				if err := os.WriteFile(namePath(table, "web"), []byte(line), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		leave(7)
		if cells, err := h.List(); err != nil || len(cells) != 1 || cells[0].ID != 7 || cells[0].Name != "web" {
			t.Errorf("%s: List = %v, %v; want its id and name", name, cells, err)
		}
		if names, err := h.Names(); err != nil || len(names) != 1 || names[7] != "web" {
			t.Errorf("%s: Names = %v, %v; want it", name, names, err)
		}
		if _, err := h.Processes(7); !errors.Is(err, kmod.ErrNotFound) {
			t.Errorf("%s: Processes = %v; want ErrNotFound", name, err)
		}
		if err := h.Destroy(7); err != nil || len(h.files()) != 0 {
			t.Errorf("%s: Destroy = %v, and there is %q", name, err, h.files())
		}
		leave(8)
		if id := h.cell(kmod.Spec{Name: "web"}); id != 2 {
			t.Errorf("%s: the name's next cell is %d; want 2", name, id)
		}
		if err := h.Destroy(8); line == "-" && err != nil || line != "-" && !errors.Is(err, kmod.ErrNotFound) {
			t.Errorf("%s: Destroy of the remains beside the next cell = %v", name, err)
		}
		h.end(2)
		if left := h.files(); len(left) != 0 {
			t.Errorf("%s: there is still %q", name, left)
		}
	}
}

// Of a cell whose file can't be removed the link stays, so that it is told and
// can be removed later.
func TestFileThatStays(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{Name: "web"})
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	file, aside := namePath(table, "web"), filepath.Join(t.TempDir(), "web")
	if err := errors.Join(os.Rename(file, aside), os.Mkdir(file, 0o700)); err != nil { // no unlink(2) takes a directory
		t.Fatal(err)
	}
	if err := h.forget(&cell{ID: id, Spec: kmod.Spec{Name: "web"}}); err == nil {
		t.Error("forget succeeds")
	}
	if err := errors.Join(os.Remove(file), os.Rename(aside, file)); err != nil {
		t.Fatal(err)
	}
	if cells, err := h.List(); err != nil || len(cells) != 1 || cells[0].ID != id {
		t.Errorf("List = %v, %v; want cell %d", cells, err, id)
	}
	h.end(id)
	if left := h.files(); len(left) != 0 {
		t.Errorf("there is still %q", left)
	}
}

// What somebody has put beside the links stops nobody, and hides no cell.
func TestForeignFiles(t *testing.T) {
	h := newHost(t)
	h.end(h.cell(kmod.Spec{}))
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(table, idDir)
	for i := range 200 { // more than fit into the first look
		name := fmt.Sprintf("%s/%03d-%s", dir, i, strings.Repeat("x", 100))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(name) })
	}
	id := h.cell(kmod.Spec{Name: "web"})
	if cells, err := h.List(); err != nil || len(cells) != 1 || cells[0].ID != id {
		t.Errorf("List = %v, %v; want cell %d", cells, err, id)
	}
	if names, err := h.Names(); err != nil || len(names) != 1 {
		t.Errorf("Names = %v, %v", names, err)
	}
	for _, n := range []int{1, -1} {
		if ids, err := readIDs(dir, n); err != nil || !slices.Equal(ids, []kmod.ID{id}) {
			t.Errorf("readIDs(%d) = %v, %v; want %d", n, ids, err, id)
		}
	}
	h.end(id)
}

// A killed Create that had not got hold of its path and ports is a draft, and
// touches nothing of who has them.
func TestDraft(t *testing.T) {
	h, path := newHost(t), placed(t)
	ports := []kmod.Port{{Port: 80}}
	owner := h.cell(kmod.Spec{Name: "owner", CgroupsPath: path, Ports: ports})
	first := h.start(owner, "wait")
	first.line()
	r, err := h.claim(&cell{Spec: kmod.Spec{Name: "draft", Root: h.rootfs, CgroupsPath: path, Ports: ports}})
	if err != nil {
		t.Fatal(err)
	}
	r.close()
	draft := r.x.ID
	for what, err := range map[string]error{
		"Kill": h.Kill(draft, int(unix.SIGKILL)), "Pause": h.Pause(draft), "Limit": h.Limit(draft, 5), "Entered": h.Entered(draft, first.pid),
	} {
		if !errors.Is(err, kmod.ErrNotFound) {
			t.Errorf("%s of a draft = %v; want ErrNotFound", what, err)
		}
	}
	if err := h.Destroy(draft); err != nil {
		t.Errorf("Destroy of a draft: %v", err)
	}
	if pids, err := h.Processes(owner); err != nil || len(pids) != 1 {
		t.Errorf("the owner's processes = %v, %v; want %d", pids, err, first.pid)
	}
	if _, err := h.Create(kmod.Spec{Name: "other", Root: h.rootfs, Ports: ports}); !errors.Is(err, kmod.ErrPortInUse) {
		t.Errorf("Create with the owner's port = %v; want ErrPortInUse", err)
	}
	h.end(owner)
	if left := h.files(); len(left) != 0 {
		t.Errorf("there is still %q", left)
	}
	gone(t, path)
}

// readBytes are those that this process has read with read(2) until now.
func readBytes(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(b), "rchar: %d", &n); err != nil {
		t.Fatal(err)
	}
	return n - len(b) // of the file it tells before that it was read
}

// A command about one cell reads the same however many there are.
func TestCostIsFlat(t *testing.T) {
	h := newHost(t)
	spec := kmod.Spec{Name: "one", Root: h.rootfs, Ports: []kmod.Port{{Port: 80}}}
	cost := func() int {
		t.Helper()
		if _, err := h.Features(); err != nil {
			t.Fatal(err)
		}
		before := readBytes(t)
		id, err := h.Create(spec)
		if err == nil {
			_, err = h.Name(id)
		}
		if err == nil {
			err = h.Destroy(id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return readBytes(t) - before
	}
	cost()
	few := cost()
	fill(t, h.Client, 1000)
	// The ids have more digits.
	if many := cost(); many > few+200 {
		t.Errorf("bytes read by a cell's life: %d among a thousand, %d alone", many, few)
	}
}

func TestTableStaysSmall(t *testing.T) {
	h := newHost(t)
	stays := h.cell(kmod.Spec{Name: "stays"})
	before := h.files()
	for i := range 30 {
		id := h.cell(kmod.Spec{})
		if want := stays + 1 + kmod.ID(i); id != want {
			t.Fatalf("id = %d; want %d", id, want)
		}
		h.end(id)
	}
	if now := h.files(); !slices.Equal(now, before) {
		t.Errorf("files after 30 lives: %q; want %q", now, before)
	}
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(table, bindDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("cells that share nothing have used the lock of those that do: %v", err)
	}
}

// churn makes and removes cells until it is killed, and prints their ids. Some
// have a port and a path.
func churn(root, rootfs, path string) {
	k, err := Open(root)
	for i := 0; err == nil; i++ {
		s := kmod.Spec{Name: fmt.Sprintf("churn-%d-%d", os.Getpid(), i), Root: rootfs}
		if i%2 == 0 {
			s.Ports = []kmod.Port{{Port: uint16(1024 + (os.Getpid()+i)%50000)}}
			s.CgroupsPath = path + "/" + s.Name
		}
		var id kmod.ID
		if id, err = k.Create(s); errors.Is(err, kmod.ErrPortInUse) {
			err = nil // of one who was killed
			continue
		}
		if err == nil {
			fmt.Println(id)
			err = errors.Join(k.Entered(id, os.Getpid()), k.(*Client).change(id, func(x *cell) error {
				x.First = process{} // or it would be busy
				return nil
			}), k.Destroy(id))
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestKilledWriters(t *testing.T) {
	h, path := newHost(t), placed(t)
	seen := map[kmod.ID]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 30 {
				ids := h.churnAndKill(path)
				mu.Lock()
				for _, id := range ids {
					if seen[id] {
						t.Errorf("id %d was given twice", id)
					}
					seen[id] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	cells, err := h.List()
	if err != nil || len(cells) > 60 {
		t.Errorf("List = %d cells, %v; want at most one a kill", len(cells), err)
	}
	t.Logf("%d ids, %d cells left", len(seen), len(cells))
	last := h.cell(kmod.Spec{Name: "last"})
	for id := range seen {
		if id >= last {
			t.Errorf("id %d was given before %d", id, last)
		}
	}
	// What is left of one is found by List, and goes whole.
	for _, x := range append(cells, kmod.Info{ID: last}) {
		if err := h.Destroy(x.ID); err != nil {
			t.Errorf("Destroy(%d %s): %v", x.ID, x.Name, err)
		}
	}
	if left := h.files(); len(left) != 0 {
		t.Errorf("there is still %q", left)
	}
	gone(t, path)
}

// churnAndKill gives the ids that a writer had before it was killed.
func (h *host) churnAndKill(path string) []kmod.ID {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"churn", h.root, h.rootfs, path}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Error(err)
		return nil
	}
	if err := cmd.Start(); err != nil {
		h.t.Error(err)
		return nil
	}
	kill := time.AfterFunc(time.Duration(10+rand.IntN(20))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var ids []kmod.ID
	for s := bufio.NewScanner(out); s.Scan(); {
		n, err := strconv.ParseUint(s.Text(), 10, 32)
		if err != nil {
			h.t.Errorf("writer: %s", s.Text())
		}
		ids = append(ids, kmod.ID(n))
	}
	_ = cmd.Wait()
	return ids
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(fullLine))
	f.Add([]byte("7\ta\troot=/\n7\ta\troot=/x\n7\thalf"))
	f.Add([]byte("8\ta\troot=/\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		x, line, whole, err := parseRecord(7, in)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(in[:whole], append(line, '\n')) {
			t.Fatalf("line %q is not the last whole one", line)
		}
		y, _, _, err := parseRecord(7, x.row().append(nil))
		if err != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("parse of the encoded = %+v, %v; want %+v", y, err, x)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte("cells 3 b\n"))
	f.Add([]byte("cells 3-published b\n"))
	f.Add([]byte("cells 2 a\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if m, err := parseHeader(in, "b"); m != "" && (err != nil || m != Current && m != Published) {
			t.Fatalf("parseHeader = %q, %v", m, err)
		}
	})
}

func FuzzParseStat(f *testing.F) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("1 (a) b) c) S 1"))
	f.Fuzz(func(_ *testing.T, in []byte) { _, _ = parseStat(in) })
}
