package emulator

// Small files, and what stays open.

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// ends fails a test whose next step has no end.
func ends(t *testing.T, what string) (ended func()) {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { panic(t.Name() + ": " + what + " does not end") })
	return func() { timer.Stop() }
}

func TestSmallFiles(t *testing.T) {
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	long := bytes.Repeat([]byte("0123456789"), 500)
	if err := errors.Join(
		os.WriteFile(name("long"), long, 0o600), os.WriteFile(name("empty"), nil, 0o600), unix.Mkfifo(name("fifo"), 0o600),
		os.Symlink(dir, name("link")),
	); err != nil {
		t.Fatal(err)
	}
	for what, read := range map[string]func(string) ([]byte, error){"readFile": readFile, "readRegular": readRegular} {
		if b, err := read(name("long")); err != nil || !bytes.Equal(b, long) {
			t.Errorf("%s = %d bytes, %v; want %d", what, len(b), err, len(long))
		}
		if b, err := read(name("empty")); err != nil || len(b) != 0 {
			t.Errorf("%s of an empty file = %q, %v", what, b, err)
		}
		// A file of sysfs says that it is as long as a page.
		const short = "/sys/kernel/fscaps"
		ended := ends(t, what)
		if b, err := read(short); err != nil || len(b) == 0 || len(b) > 10 {
			t.Errorf("%s of %s = %q, %v", what, short, b, err)
		}
		ended()
	}
	ended := ends(t, "a look at a FIFO")
	if b, err := readRegular(name("fifo")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("readRegular of a FIFO = %q, %v; want an error", b, err)
	}
	ended()
	for _, other := range []string{"link", "long", "missing"} {
		if fd, err := openDir(name(other)); err == nil {
			_ = unix.Close(fd)
			t.Errorf("openDir of %s opens it", other)
		}
	}
	for range 2 {
		if err := unlink(name("long")); err != nil {
			t.Error(err)
		}
	}
	if err := unlink(dir); err == nil {
		t.Error("unlink of a directory does not fail")
	}
}

// As few names are read as are asked for, in parts.
func TestNamesInParts(t *testing.T) {
	dir := t.TempDir()
	const all = 300
	for i := range all {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i+1)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, err := readNames(dir, 1)
	if err != nil || len(first) == 0 || len(first) == all {
		t.Fatalf("readNames(1) = %d names, %v; want a part", len(first), err)
	}
	part := len(first)
	for n, want := range map[int]int{1: part, part: part, part + 1: 2 * part, all: all, all + 1: all, -1: all} {
		names, err := readNames(dir, n)
		if err != nil || len(names) < min(n, all) || len(names) > want+part/2 || n < 0 && len(names) != all {
			t.Errorf("readNames(%d) = %d names, %v; want %d or so", n, len(names), err, want)
		}
		if ids, err := readIDs(dir, n); err != nil || len(ids) != len(names) {
			t.Errorf("readIDs(%d) = %d, %v; want %d", n, len(ids), err, len(names))
		}
	}
}

// descriptors counts those that are open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Error(err)
	}
	return len(list)
}

// No program that another goroutine starts gets what is open here, and nothing
// stays open.
func TestDescriptors(t *testing.T) {
	h, path := newHost(t), placed(t)
	onThread(func() {
		if err := forbid(unix.SYS_OPENAT, 2, unix.O_CLOEXEC, unix.EXDEV); err != nil {
			t.Error(err)
			return
		}
		if fd, err := unix.Open("/", unix.O_RDONLY, 0); !errors.Is(err, unix.EXDEV) {
			t.Errorf("an open without O_CLOEXEC = %d, %v", fd, err)
		}
		for _, m := range []Module{Current, Published, Current} {
			k, err := OpenAs(h.root, m)
			if err != nil {
				t.Error(err)
				return
			}
			s := kmod.Spec{Name: "x", Root: h.rootfs, CgroupsPath: path, MaxProcesses: 5, Ports: []kmod.Port{{Port: 80}}}
			if m == Published {
				s = publishedSpec(2)
				s.Root = h.rootfs
			}
			before := descriptors(t)
			if before == 0 {
				return
			}
			err = lifeOf(k, s)
			if err != nil {
				t.Errorf("%s: %v", m, err)
			}
			if after := descriptors(t); after > before {
				t.Errorf("%s: %d descriptors are open, %d before", m, after, before)
			}
		}
	})
}

// lifeOf asks all that can be asked of a cell without processes.
func lifeOf(k kmod.Client, s kmod.Spec) error {
	id, err := k.Create(s)
	if err != nil {
		return err
	}
	e, err := k.Enter(id)
	if err == nil {
		e.Close()
	}
	_, lerr := k.List()
	_, nerr := k.Names()
	_, perr := k.Processes(id)
	_, serr := k.Stats(id)
	var merr error
	if s.MaxProcesses != 0 {
		merr = k.Limit(id, 7)
	}
	return errors.Join(err, lerr, nerr, perr, serr, merr, k.Kill(id, int(unix.SIGKILL)), k.Destroy(id))
}
