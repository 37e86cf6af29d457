package inroot

// The calls on an open directory, each for what it alone does.

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What no method of a Tree hands a name to takes one component as well.
func TestCallsTakeOneName(t *testing.T) {
	d := openTree(t, box(t, "d/", "d/f", "f", "l -> /")).here()
	calls := map[string]func(name string) error{
		"rename":      func(n string) error { return d.rename("f", n) },
		"rename from": func(n string) error { return d.rename(n, "f") },
		"move":        func(n string) error { return d.move("f", d, n) },
		"move from":   func(n string) error { return d.move(n, d, "f") },
		"unlink":      d.unlink,
		"rmdir":       d.rmdir,
		"link from":   func(n string) error { return d.link(n, d, "new") },
		"chmodOpened": func(n string) error { return d.chmodOpened(n, 0o700) },
	}
	for what, call := range calls {
		for _, name := range []string{"", "..", "d/f", "l/x", "/", "../root"} {
			err := call(name)
			if what == "chmodOpened" && errors.Is(err, unix.EOPNOTSUPP) {
				continue // NetBSD has no such call
			}
			if !errors.Is(err, errComponent) {
				t.Errorf("%s(%q) = %v; want %v", what, name, err, errComponent)
			}
		}
	}
}

func TestLinksAndTheirOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := box(t, "f", "taken")
	tree := openTree(t, dir)
	if err := errors.Join(tree.Symlink("f", "l"), tree.Chown("l", 7, 8), tree.Chown("f", 9, 10)); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(dir + "/l"); err != nil || target != "f" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	for name, want := range map[string][2]uint32{"l": {7, 8}, "f": {9, 10}} {
		var st unix.Stat_t
		if err := unix.Lstat(dir+"/"+name, &st); err != nil || st.Uid != want[0] || st.Gid != want[1] {
			t.Errorf("%s belongs to %d:%d, %v; want %v", name, st.Uid, st.Gid, err, want)
		}
	}
	if err := tree.Symlink("f", "taken"); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a link in place of a file = %v; want EEXIST", err)
	}
}

// A mode is the entry's own, or refused: never its target's.
func TestModeOfALink(t *testing.T) {
	dir := box(t, "f", "l -> f")
	tree := openTree(t, dir)
	for what, err := range map[string]error{"Chmod": tree.Chmod("l", 0o777), "chmodOpened": tree.here().chmodOpened("l", 0o777)} {
		if err != nil && !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.EOPNOTSUPP) {
			t.Errorf("%s of a link = %v", what, err)
		}
	}
	if fi, err := os.Stat(dir + "/f"); err != nil || fi.Mode() != 0o644 {
		t.Errorf("the target's mode is %v, %v", fi.Mode(), err)
	}
}

// No directory was entered: the errno differs between kernels.
func TestIsNotDir(t *testing.T) {
	for err, want := range map[error]bool{unix.ENOTDIR: true, unix.ELOOP: true, unix.ENOENT: false, unix.EACCES: false, errDeep: false} {
		if got := IsNotDir(err); got != want {
			t.Errorf("IsNotDir(%v) = %v", err, got)
		}
	}
}

// open lists this process's descriptors, and whether a program that it execs has
// them.
func descriptors() map[int]bool {
	open := map[int]bool{}
	for fd := range 256 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			open[fd] = flags&unix.FD_CLOEXEC == 0
		}
	}
	return open
}

// No descriptor of a root gets into a program that is started meanwhile, and none
// stays open behind what opened it.
func TestDescriptors(t *testing.T) {
	dir := box(t, "d/", "d/e/", "d/e/f", "l -> d/e", "source")
	in, err := os.Open(dir + "/source")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	run := func(before map[int]bool) {
		look := func(what string) {
			for fd, inherited := range descriptors() {
				if _, was := before[fd]; !was && inherited && before != nil {
					t.Errorf("%s: descriptor %d gets into other programs", what, fd)
				}
			}
		}
		root, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		host, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := OpenTree(host)
		if err != nil {
			t.Fatal(err)
		}
		place, err := root.OpenDir("l/new", true)
		if err != nil {
			t.Fatal(err)
		}
		own, err := OpenPlace(dir)
		if err != nil {
			t.Fatal(err)
		}
		look("open directories")
		src, err := os.OpenRoot(dir + "/d")
		dst, err2 := os.OpenRoot(t.TempDir())
		if err := errors.Join(err, err2, CopyTree(src, dst, "."), src.Close(), dst.Close()); err != nil {
			t.Fatal(err)
		}
		err = errors.Join(tree.Enter([]string{"l", "made"}, true), tree.Leave(1), tree.Enter([]string{"d", "e"}, false))
		look("a tree within")
		f, err2 := tree.Create("g")
		look("a file that is written")
		var st unix.Stat_t
		err = errors.Join(err, err2, f.Close(), tree.Lstat("f", &st))
		g, err2 := tree.OpenFile("f", &st)
		look("a file that is read")
		_, err3 := tree.Names()
		_, err4 := root.ReadFile("l/f", 100)
		_, err5 := root.ReadHead("l/f", 1)
		err = errors.Join(err, err2, err3, err4, err5, g.Close(), root.MakeDir("l/other/dir"), root.CopyFile("l/copy", in, 0o600),
			root.CopyFile("l/copy", in, 0o600), root.Symlink("x", "l/link"), root.MakeNode("l/node", Node{Mode: unix.S_IFIFO | 0o600}),
			root.CheckOrdinary("d/e"), tree.Link([]string{"source"}, []string{"d", "e"}, "hard"))
		for _, name := range []string{"g", "new", "other", "made", "copy", "link", "node", "hard"} {
			err = errors.Join(err, tree.Remove(name))
		}
		if err = errors.Join(err, tree.Close(), host.Close()); err != nil {
			t.Error(err)
		}
		root.Close()
		place.Close()
		own.Close()
	}
	run(nil) // what the language opens for itself once is there then
	before := descriptors()
	run(before)
	for fd := range descriptors() {
		if _, was := before[fd]; !was {
			t.Errorf("descriptor %d was left open", fd)
		}
	}
}
