package inroot

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// No method takes more than one component to the kernel.
func TestNamesAreOneComponent(t *testing.T) {
	tree := openTree(t, box(t, "d/", "d/f", "f", "l -> /"))
	var st unix.Stat_t
	calls := map[string]func(name string) error{
		"Lstat":       func(n string) error { return tree.Lstat(n, &st) },
		"Readlink":    func(n string) error { _, err := tree.Readlink(n); return err },
		"Create":      func(n string) error { _, err := tree.Create(n); return err },
		"OpenFile":    func(n string) error { _, err := tree.OpenFile(n, &st); return err },
		"Mkdir":       func(n string) error { return tree.Mkdir(n, 0o700) },
		"Symlink":     func(n string) error { return tree.Symlink("x", n) },
		"Mknod":       func(n string) error { return tree.Mknod(n, unix.S_IFIFO|0o600, 0) },
		"Link":        func(n string) error { return tree.Link([]string{"f"}, nil, n) },
		"Chown":       func(n string) error { return tree.Chown(n, os.Geteuid(), os.Getegid()) },
		"Chmod":       func(n string) error { return tree.Chmod(n, 0o700) },
		"SetTimes":    func(n string) error { return tree.SetTimes(n, unix.Timespec{}) },
		"SetFlags":    func(n string) error { return tree.SetFlags(n, 0) },
		"SetXattr":    func(n string) error { return tree.SetXattr(n, "user.a", nil) },
		"RemoveXattr": func(n string) error { return tree.RemoveXattr(n, "user.a") },
		"GetXattr":    func(n string) error { _, err := tree.GetXattr(n, "user.a"); return err },
		"Push":        tree.Push,
		"Remove":      tree.Remove,
	}
	// ListXattrs gives nothing on a system without attributes; the others take
	// no name, or a path that they walk.
	other := []string{
		"ListXattrs", "Age", "Close", "Deepen", "Depth", "Enter", "GID", "Imply", "Join", "Leave", "Mount", "Names", "Path", "ReadFile", "Refresh", "Settle",
		"Stat", "StatRoot",
	}
	for m := range reflect.TypeFor[*Tree]().Methods() {
		if calls[m.Name] == nil && !strings.Contains(" "+strings.Join(other, " ")+" ", " "+m.Name+" ") {
			t.Errorf("%s has no case here", m.Name)
		}
	}
	for method, call := range calls {
		for _, name := range []string{"", "..", "d/f", "l/x", "/", "/f", "d/", "../root"} {
			if err := call(name); !errors.Is(err, errComponent) && !errors.Is(err, unix.EOPNOTSUPP) {
				t.Errorf("%s(%q) = %v; want %v", method, name, err, errComponent)
			}
		}
	}
}

// A file that is another one by the time it is opened is not read.
func TestReplacedFileIsNotRead(t *testing.T) {
	for _, c := range []struct {
		name string
		swap func(dir string) error
	}{
		{"a link out", func(dir string) error { return os.Symlink("../../victim", dir+"/f") }},
		{"a FIFO", func(dir string) error { return unix.Mkfifo(dir+"/f", 0o600) }},
		{"a directory", func(dir string) error { return os.Mkdir(dir+"/f", 0o700) }},
		{"another file", func(dir string) error { return os.WriteFile(dir+"/f", []byte("new"), 0o600) }},
	} {
		dir := box(t, "f", "keep")
		tree := openTree(t, dir)
		var st unix.Stat_t
		if err := tree.Lstat("f", &st); err != nil {
			t.Fatal(err)
		}
		// It keeps its inode, so that the new one has another.
		if err := errors.Join(os.Rename(dir+"/f", dir+"/keep"), c.swap(dir)); err != nil {
			t.Fatal(err)
		}
		if f, err := tree.OpenFile("f", &st); err == nil {
			t.Errorf("%s: was opened", c.name)
			_ = f.Close()
		}
	}
}

// swapped runs do while name in dir is a file, a link out of the root, a
// directory and nothing by turns.
func swapped(t *testing.T, dir, name string, do func()) {
	t.Helper()
	var stop atomic.Bool
	done := make(chan struct{})
	path := filepath.Join(dir, name)
	go func() {
		defer close(done)
		for !stop.Load() {
			_ = os.WriteFile(path, nil, 0o600)
			_ = os.Remove(path)
			_ = os.Symlink("../../victim", path)
			_ = os.Remove(path)
			_ = os.Symlink("../..", path)
			_ = os.Remove(path)
			_ = os.Mkdir(path, 0o700)
			_ = os.RemoveAll(path)
		}
	}()
	for start := time.Now(); time.Since(start) < 200*time.Millisecond; {
		do()
	}
	stop.Store(true)
	<-done
}

// Whoever swaps a name for a link out of the root wins nothing, whether the
// name is the last one of a path or on the way.
func TestSwappedNamesLeadNowhere(t *testing.T) {
	dir := box(t, "f")
	around := filepath.Dir(filepath.Dir(dir))
	victim := filepath.Join(around, "victim")
	before, err := os.Stat(victim)
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	tree, root := openTree(t, dir), openDir(t, dir)
	swapped(t, dir, "x", func() {
		if data, _ := tree.ReadFile("x", 100); string(data) == "victim" {
			t.Error("Tree read the victim")
		}
		_ = tree.Chmod("x", 0o777)
		_ = tree.SetTimes("x", unix.Timespec{})
		_ = tree.Enter([]string{"x", "victim"}, true)
		_ = tree.Leave(1)
		if f, err := tree.Create("x"); err == nil {
			_, _ = f.Write([]byte("by Create"))
			_ = f.Close()
		}
		_ = tree.Remove("x")
		if st, err := root.Stat("x/victim"); err == nil && st.Size == 6 {
			t.Error("Dir found the victim")
		}
		_ = root.CopyFile("x/victim", in, 0o777)
		_ = root.MakeNode("x/victim", Node{Mode: unix.S_IFIFO | 0o600})
		_ = root.Symlink("y", "x/victim")
		_ = root.MakeDir("x/in/new")
	})
	after, err := os.Stat(victim)
	if err != nil || after.ModTime() != before.ModTime() || after.Mode() != before.Mode() || after.Size() != before.Size() {
		t.Errorf("the victim is %v, %v; was %v", after, err, before)
	}
	for p, want := range map[string]int{around: 2, filepath.Dir(dir): 1} {
		if list, err := os.ReadDir(p); err != nil || len(list) != want {
			t.Errorf("around the root is %v, %v", list, err)
		}
	}
}

// A directory has its old time after its entries have changed.
func TestDirectoriesKeepTheirTime(t *testing.T) {
	dir := box(t, "d/", "d/e/", "d/gone")
	old := time.Unix(1000, 5000)
	if err := errors.Join(os.Chtimes(dir+"/d/e", old, old), os.Chtimes(dir+"/d", old, old)); err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, dir)
	err := tree.Enter([]string{"d"}, false)
	f, err2 := tree.Create("f")
	err = errors.Join(err, err2, f.Close(), tree.Remove("gone"), tree.Symlink("x", "l"), tree.Mknod("p", unix.S_IFIFO|0o600, 0),
		tree.Link([]string{"d", "f"}, []string{"d", "e"}, "hard"), tree.Leave(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/d", "/d/e"} {
		if fi, err := os.Stat(dir + p); err != nil || !fi.ModTime().Equal(old) {
			t.Errorf("%s has the time %v, %v; want %v", p, fi.ModTime(), err, old)
		}
	}
}

func TestLink(t *testing.T) {
	dir := box(t, "d/", "d/f", "e/", "e/old", "s -> /d/f", "in -> d")
	tree := openTree(t, dir)
	for _, c := range []struct {
		target, dir, name string
		want              error // as a *TargetError
	}{
		{"d/f", "d", "near", nil},
		{"d/f", "e", "far", nil},
		{"d/f", "new/dir", "made", nil},
		{"d/f", "e", "old", nil}, // replaced
		{"d/f", "d", "near", nil},
		{"in/f", "e", "through", nil},
		{"s", "e", "link", nil},
		{"d", "e", "dir", unix.EISDIR},
		{"", "e", "root", unix.EISDIR},
		{"d/none", "e", "none", unix.ENOENT},
		{"none/f", "e", "none", unix.ENOENT},
		{"d/f/x", "e", "none", unix.ENOTDIR},
	} {
		target := strings.FieldsFunc(c.target, func(r rune) bool { return r == '/' })
		err := tree.Link(target, strings.Split(c.dir, "/"), c.name)
		if c.want != nil {
			if _, ok := errors.AsType[*TargetError](err); !ok || !errors.Is(err, c.want) {
				t.Errorf("link %s to %s = %v; want %v of the target", c.target, c.name, err, c.want)
			}
			continue
		}
		var from, to unix.Stat_t
		plain := strings.Replace(c.target, "in/", "d/", 1)
		if err = errors.Join(err, unix.Lstat(dir+"/"+plain, &from), unix.Lstat(dir+"/"+c.dir+"/"+c.name, &to)); err != nil || from.Ino != to.Ino {
			t.Errorf("link %s to %s/%s: %v", c.target, c.dir, c.name, err)
		}
		if want := tree.Join(c.name); want != c.dir+"/"+c.name {
			t.Errorf("the tree is in %s after a link in %s", tree.Path(), c.dir)
		}
	}
}

// What is written is there, with its holes, its size, its mode and its owner.
func TestFile(t *testing.T) {
	dir := box(t)
	tree := openTree(t, dir)
	f, err := tree.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 7, 8
	}
	if n, err := f.Write([]byte("one")); n != 3 || err != nil {
		t.Errorf("write = %d, %v", n, err)
	}
	err = f.Skip(2)
	if n, err := f.Write([]byte("two")); n != 3 || err != nil {
		t.Errorf("write = %d, %v", n, err)
	}
	if err := errors.Join(err, f.Truncate(10), f.Chown(uid, gid), f.Chmod(0o4711), f.Close()); err != nil {
		t.Error(err)
	}
	var st unix.Stat_t
	got, err := os.ReadFile(dir + "/f")
	if err := errors.Join(err, unix.Stat(dir+"/f", &st)); err != nil || string(got) != "one\x00\x00two\x00\x00" {
		t.Errorf("it holds %q, %v", got, err)
	}
	if int(st.Uid) != uid || int(st.Gid) != gid || uint32(st.Mode) != unix.S_IFREG|0o4711 {
		t.Errorf("it is %o of %d:%d", st.Mode, st.Uid, st.Gid)
	}
}

// A file that is to get the name that it has keeps it.
func TestLinkToItself(t *testing.T) {
	dir := box(t, "d/", "d/f")
	tree := openTree(t, dir)
	if err := tree.Link([]string{"d", "f"}, []string{"d"}, "f"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(dir + "/d/f"); err != nil || string(got) != "d/f" {
		t.Errorf("it holds %q, %v", got, err)
	}
}

// A node that is there and the same is taken, another file is not.
func TestMakeNode(t *testing.T) {
	dir := box(t, "f", "up -> ../../..", "l -> /f")
	root := openDir(t, dir)
	fifo := Node{Mode: unix.S_IFIFO | 0o600, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	for _, p := range []string{"/dev/p", "/dev/p", "up/q"} {
		if err := errors.Join(root.MakeNode(p, fifo), root.CheckNode(p, fifo)); err != nil {
			t.Errorf("make %s: %v", p, err)
		}
	}
	for _, p := range []string{"/dev/p", "/q"} {
		if fi, err := os.Lstat(dir + p); err != nil || fi.Mode().Type() != os.ModeNamedPipe {
			t.Errorf("%s = %v, %v; want a FIFO", p, fi, err)
		}
	}
	for _, p := range []string{"f", "l"} { // the link itself is in the way
		if err := root.MakeNode(p, fifo); err == nil || !strings.Contains(err.Error(), "another file there") {
			t.Errorf("make %s = %v; want another file there", p, err)
		}
	}
	for _, p := range []string{"/", "", ".", "dev/.."} {
		if err := root.MakeNode(p, fifo); !errors.Is(err, unix.EISDIR) {
			t.Errorf("make %q = %v; want EISDIR", p, err)
		}
	}
}

func TestCopyFile(t *testing.T) {
	dir := box(t, "d/", "d/f", "l -> /d/new", "fifo/", "up -> ../../..")
	in, err := os.Open(dir + "/d/f")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	root := openDir(t, dir)
	for _, p := range []string{"l", "up/a/b/c", "/d/f"} {
		if err := root.CopyFile(p, in, 0o444); err != nil {
			t.Errorf("copy to %s: %v", p, err)
		}
	}
	for p, mode := range map[string]os.FileMode{"d/new": 0o444, "a/b/c": 0o444, "d/f": 0o644} { // the last one was the same
		fi, err := os.Lstat(filepath.Join(dir, p))
		data, err2 := os.ReadFile(filepath.Join(dir, p))
		if err := errors.Join(err, err2); err != nil || fi.Mode() != mode || string(data) != "d/f" {
			t.Errorf("%s is %v with %q, %v; want %v", p, fi.Mode(), data, err, mode)
		}
	}
	if err := root.CopyFile("fifo", in, 0o444); err == nil || !strings.Contains(err.Error(), "not a plain file") {
		t.Errorf("copy over a directory = %v; want it refused", err)
	}
}

// What is closed stays closed: a number that another file has by then must
// not be closed or used again.
func TestClosedTwice(t *testing.T) {
	dir := box(t, "d/")
	root := openDir(t, dir)
	place, err := root.OpenDir("d", false)
	if err != nil {
		t.Fatal(err)
	}
	root.Close()
	place.Close()
	f, err := os.Open(dir) // it gets one of the two numbers
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root.Close()
	place.Close()
	(*Dir)(nil).Close()
	(*Place)(nil).Close()
	if _, err := f.Stat(); err != nil {
		t.Errorf("another file was closed: %v", err)
	}
	if err := place.Ask(func(int) error { return nil }); err == nil {
		t.Error("a closed place was lent")
	}
	if _, err := root.Stat("d"); err == nil {
		t.Error("a closed root was looked at")
	}
	if _, err := (File{}).Write([]byte("x")); !errors.Is(err, unix.EBADF) {
		t.Errorf("write to the zero File = %v; want EBADF", err)
	}
}
