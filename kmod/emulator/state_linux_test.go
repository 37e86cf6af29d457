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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// full is a cell with everything set, fullLine its line.
var full = cell{
	ID: 7, Created: 12 * time.Second, First: process{Pid: 42, Start: 99}, Status: new(uint32),
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
	"\tcgroup=/sys/fs/cgroup/runcell.1/7\tpids=/sys/fs/cgroup/pids/runcell.1/7\tpath=/web.slice/x\n"

func TestLine(t *testing.T) {
	for want, c := range map[string]cell{
		fullLine:                {},
		"1\tsmall\troot=/srv\n": {ID: 1, Spec: kmod.Spec{Name: "small", Root: "/srv"}},
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
		"":                        "no root",
		"root=/x\tcolour=red":     `unknown field "colour"`,
		"root=/x\tprofile=256":    "profile",
		"root=/x\tcreated=-1":     "created",
		"root=/x\tports=80,":      "ports",
		"root=/x\taddresses=host": "addresses",
		"root=/x\tstatus=":        "status",
	} {
		if _, err := (row{id: 1, name: "x", data: []byte(data)}).decode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("decode(%q) = %v; want an error with %q", data, err, want)
		}
	}
}

func TestParseState(t *testing.T) {
	const head = "cells 2 b\n"
	for name, tt := range map[string]struct{ in, want string }{
		"other version":   {"cells 3 b\n", "line 1"},
		"no boot id":      {"cells 2\n", "line 1"},
		"other module":    {"cells 2-other b\n", "line 1"},
		"something else":  {"hello 2 a\n", "line 1"},
		"half a header":   {"cells 2 b", "line 1"},
		"no fields":       {head + "7\tweb\n", "line 2"},
		"id from 0":       {head + "0\tweb\t\n", "line 2"},
		"the last id":     {head + "4294967295\tweb\t\n", "line 2"},
		"ids descending":  {head + "5\tweb\t\n4\tdb\t\n", "out of order"},
		"dropped twice":   {head + "5\tweb\t\n5\n5\n", "line 4"},
		"back again":      {head + "5\tweb\t\n5\n5\tweb\t\n", "line 4"},
		"name with slash": {head + "5\ta/b\t\n", "line 2"},
		"empty line":      {head + "\n", "line 2"},
	} {
		if _, err := parseState([]byte(tt.in), "b"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: parseState = %v; want an error with %q", name, err, tt.want)
		}
	}
	for name, in := range map[string]string{
		"another boot":            "cells 2 a\n5\tweb\t\n",
		"another boot's damage":   "cells 9 a\nhello\n",
		"not written before ...":  "",
		"... the power was lost":  "\x00\x00\x00",
		"the first page was lost": "\x00\x00 web\n",
	} {
		if s, err := parseState([]byte(in), "b"); err != nil || s.next != 1 || len(s.rows) != 0 || s.size != 0 {
			t.Errorf("%s: parseState = %+v, %v; want no cells, and the file written anew", name, s, err)
		}
	}
}

// cut gives every file that a kill or a concurrent reader can see of one.
func TestEveryCutOfTheFileIsAState(t *testing.T) {
	h := newHost(t)
	one, two := h.cell(kmod.Spec{Name: "one"}), h.cell(kmod.Spec{Name: "two"})
	h.start(one, "exit=3").output()
	h.end(one)
	h.cell(kmod.Spec{Name: "three"})
	h.end(two)
	boot, err := h.boot()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(h.dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	next := kmod.ID(1)
	for n := bytes.IndexByte(b, '\n') + 1; n <= len(b); n++ {
		s, err := parseState(b[:n], boot)
		if err != nil {
			t.Fatalf("first %d bytes: %v", n, err)
		}
		if whole := b[n-1] == '\n'; whole != (s.size == n) || s.next < next || len(s.rows) > 2 {
			t.Fatalf("first %d bytes = %+v; want next from %d, at most 2 cells, size only at a line's end", n, s, next)
		}
		for _, r := range s.rows {
			if _, err := r.decode(); err != nil {
				t.Fatalf("first %d bytes: %v", n, err)
			}
		}
		next = s.next
	}
	if next != 4 {
		t.Errorf("next id = %d; want 4", next)
	}
}

func TestHalfALineIsNoChange(t *testing.T) {
	h := newHost(t)
	one := h.cell(kmod.Spec{Name: "one"})
	file := filepath.Join(h.dir, stateFile)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("1\n2\ttwo\troot=/very/lo"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if cells, err := h.List(); err != nil || len(cells) != 0 {
		t.Errorf("List = %v, %v; want none, as the first cell's line says", cells, err)
	}
	if id := h.cell(kmod.Spec{Name: "two"}); id != one+1 {
		t.Errorf("next id = %d; want %d", id, one+1)
	}
	b, err := os.ReadFile(file)
	if err != nil || bytes.Contains(b, []byte("/very/lo")) {
		t.Errorf("file = %q, %v; want no half line", b, err)
	}
	x := cell{ID: one, Spec: kmod.Spec{Name: "one", Root: "/"}}
	x.Cgroup = filepath.Join(cgroupV2(), cgroupName(h.root), "1")
	if err := x.removeCgroups(); err != nil {
		t.Error(err)
	}
}

func TestFileStaysSmall(t *testing.T) {
	h := newHost(t)
	stays := h.cell(kmod.Spec{Name: "stays"})
	const lives = 100
	for i := range lives {
		id := h.cell(kmod.Spec{})
		if want := stays + 1 + kmod.ID(i); id != want {
			t.Fatalf("id = %d; want %d", id, want)
		}
		h.end(id)
		st, err := os.Stat(filepath.Join(h.dir, stateFile))
		if err != nil || st.Size() > slack+1024 {
			t.Fatalf("after %d lives: %v, %v; want at most some KiB", i, st, err)
		}
	}
	if _, err := os.Stat(filepath.Join(h.dir, stateFile+".new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new file is still there: %v", err)
	}
}

// churn makes and removes cells until it is killed, and prints their ids.
func churn(root, rootfs string) {
	k, err := Open(root)
	for i := 0; err == nil; i++ {
		var id kmod.ID
		if id, err = k.Create(kmod.Spec{Name: fmt.Sprintf("churn-%d-%d", os.Getpid(), i), Root: rootfs}); err == nil {
			fmt.Println(id)
			err = errors.Join(k.Entered(id, os.Getpid()), k.(*Client).update(func(s *state) error {
				x, err := s.find(id)
				if err != nil {
					return err
				}
				x.First = process{} // or it would be busy
				return s.save(x)
			}), k.Destroy(id))
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestKilledWriters(t *testing.T) {
	h := newHost(t)
	seen := map[kmod.ID]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 30 {
				ids := h.churnAndKill()
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
	for _, c := range cells {
		delete(seen, c.ID)
	}
	t.Logf("%d ids, %d cells left", len(seen), len(cells))
	last := h.cell(kmod.Spec{Name: "last"})
	for id := range seen {
		if id >= last {
			t.Errorf("id %d was given before %d", id, last)
		}
	}
	// A killed Create leaves its cgroup to the next one, unless that came in between.
	left, _ := filepath.Glob(filepath.Join(cgroupV2(), cgroupName(h.root), "[0-9]*"))
	for _, dir := range left {
		n, err := strconv.ParseUint(filepath.Base(dir), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.lookup(kmod.ID(n)); errors.Is(err, kmod.ErrNotFound) {
			t.Errorf("cgroup %s is no cell's", dir)
		}
	}
}

// churnAndKill gives the ids that a writer had before it was killed.
func (h *host) churnAndKill() []kmod.ID {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"churn", h.root, h.rootfs}
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

func FuzzParseState(f *testing.F) {
	f.Add([]byte("cells 2 b\n" + fullLine))
	f.Add([]byte("cells 2 b\n1\ta\troot=/\n2\tb\troot=/\n1\n2\tb\troot=/x\n3\n4\thalf"))
	f.Add([]byte("cells 2 a\n"))
	f.Add([]byte("cells 2-published b\n" + fullLine))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := parseState(in, "b")
		if err != nil {
			return
		}
		again, err := parseState(s.format(), "b")
		if err != nil {
			t.Fatalf("parse of the formatted: %v", err)
		}
		if len(again.rows) != len(s.rows) || again.next != s.next || again.module != s.module {
			t.Fatalf("%d rows, next %d, %s; want %d, %d, %s", len(again.rows), again.next, again.module, len(s.rows), s.next, s.module)
		}
		for i, r := range s.rows {
			if !reflect.DeepEqual(again.rows[i], r) {
				t.Fatalf("row %d = %+v; want %+v", i, again.rows[i], r)
			}
			x, err := r.decode()
			if err != nil {
				continue
			}
			if y, err := x.row().decode(); err != nil || !reflect.DeepEqual(x, y) {
				t.Fatalf("decode of the encoded = %+v, %v; want %+v", y, err, x)
			}
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
