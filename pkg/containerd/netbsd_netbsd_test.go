package netbsd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mounted makes a mount for the time of a test, and finds it in the table.
func mounted(t *testing.T, kind, source string, options ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := Mount(kind, source, dir, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
		if table, err := Mounts(); err != nil || slices.ContainsFunc(table, func(m MountPoint) bool { return m.On == dir }) {
			t.Errorf("after unmount the table is %v, %v", table, err)
		}
	})
	table, err := Mounts()
	i := slices.IndexFunc(table, func(m MountPoint) bool { return m.On == dir })
	if err != nil || i < 0 {
		t.Fatalf("the table is %v, %v; want %s in it", table, err, dir)
	}
	if table[0].On != "/" {
		t.Errorf("the table begins with %v; want /", table[0])
	}
	return dir
}

func TestNullMount(t *testing.T) {
	source := t.TempDir()
	if err := os.WriteFile(source+"/file", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := mounted(t, "bind", source, "rbind", "ro")
	if b, err := os.ReadFile(dir + "/file"); err != nil || string(b) != "x" {
		t.Errorf("through the mount: %q, %v", b, err)
	}
	if err := os.WriteFile(dir+"/new", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing to a read-only mount: %v; want EROFS", err)
	}
	table, err := Mounts()
	if i := slices.IndexFunc(table, func(m MountPoint) bool { return m.On == dir }); err != nil || table[i].Kind != "null" || table[i].From != source {
		t.Errorf("its row: %v, %v; want null from %s", table[i], err, source)
	}
}

func TestTmpfs(t *testing.T) {
	dir := mounted(t, "tmpfs", "tmpfs", "size=64k", "mode=1750", "uid=12", "gid=34")
	st, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	if st.Mode() != fs.ModeDir|fs.ModeSticky|0o750 || sys.Uid != 12 || sys.Gid != 34 {
		t.Errorf("the mount is %v of %d:%d", st.Mode(), sys.Uid, sys.Gid)
	}
	if err := os.WriteFile(dir+"/big", make([]byte, 1<<20), 0o644); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a file of 1 MB in 64 KB: %v; want ENOSPC", err)
	}
}

func TestProcfs(t *testing.T) {
	dir := mounted(t, "proc", "proc", "nosuid")
	for _, name := range []string{"curproc/status", "meminfo"} { // the second is Linux's
		if _, err := os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestPtyfs(t *testing.T) {
	if entries, err := os.ReadDir(mounted(t, "ptyfs", "ptyfs", "mode=600")); err != nil {
		t.Errorf("reading it: %v, %v", entries, err)
	}
}

func TestMountFails(t *testing.T) {
	if err := Mount("null", "/nonexistent", t.TempDir(), nil); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a source that is missing: %v; want ENOENT", err)
	}
	if err := Mount("tmpfs", "", "/nonexistent", nil); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a target that is missing: %v; want ENOENT", err)
	}
}

func TestSignals(t *testing.T) {
	all := Signals()
	for name, want := range map[string]syscall.Signal{
		"HUP": 1, "KILL": 9, "TERM": 15, "CHLD": 20, "INFO": 29, "USR2": 31, "PWR": 32, "RTMIN": 33, "RTMIN+3": 36, "RTMAX": 63,
	} {
		if all[name] != want {
			t.Errorf("signal %s is %d; want %d", name, all[name], want)
		}
	}
	numbers := map[syscall.Signal]bool{}
	for _, s := range all {
		numbers[s] = true
	}
	if len(numbers) != 63 {
		t.Errorf("%d signals have names; want 63", len(numbers))
	}
	if !NotForOthers(syscall.SIGURG) || NotForOthers(syscall.SIGTERM) {
		t.Error("SIGURG alone is a program's own")
	}
}

func TestLchmod(t *testing.T) {
	dir := t.TempDir()
	file, link := dir+"/file", dir+"/link"
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink("file", link)); err != nil {
		t.Fatal(err)
	}
	want := fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky | 0o751
	if err := errors.Join(Lchmod(file, want), Lchmod(link, 0o700)); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode() != want {
		t.Errorf("the file is %v, %v; want %v", st.Mode(), err, want)
	}
	if err := Lchmod(dir+"/missing", 0o600); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a file that is missing: %v; want ENOENT", err)
	}
}

// Every name that a layer of a Linux image may have, on a tmpfs, which has no
// attributes at all.
func TestAttributes(t *testing.T) {
	file := mounted(t, "tmpfs", "tmpfs") + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"user.x", "security.capability", "trusted.overlay.opaque", "system.posix_acl_access", "x"} {
		if err := Lsetxattr(file, name, []byte("v")); !errors.Is(err, unix.ENOTSUP) {
			t.Errorf("attribute %s: %v; want ENOTSUP", name, err)
		}
	}
}
