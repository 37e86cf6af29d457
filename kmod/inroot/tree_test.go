package inroot

// What a tree makes, keeps and gives back while it is walked.

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Directories that no entry describes are the same whatever the umask and the
// time, are asked for first, and take the place of what yields.
func TestImpliedDirectories(t *testing.T) {
	dir := box(t, "gives", "stays", "never", "loop -> loop")
	tree := openTree(t, dir)
	made, refused := 0, errors.New("refused")
	var err error
	tree.Imply(func() error { made++; return err }, func(path string) bool { return path == "gives" })
	withUmask(0o077, func() {
		if err := tree.Enter([]string{"a", "b"}, true); err != nil || made != 2 {
			t.Errorf("Enter = %v; %d were asked for, want 2", err, made)
		}
	})
	for p, want := range map[string]error{"gives": unix.ENOTDIR, "none": unix.ENOENT} {
		if err := tree.Enter([]string{p, "x"}, false); !errors.Is(err, want) {
			t.Errorf("where nothing is to be made: %v; want %v", err, want)
		}
	}
	if err := tree.Enter([]string{"gives", "x"}, true); err != nil {
		t.Errorf("in place of a file that yields: %v", err)
	}
	for _, create := range []bool{true, false} {
		if err := tree.Enter([]string{"stays", "x"}, create); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("in place of a file that does not: %v; want ENOTDIR", err)
		}
	}
	err = refused
	if err := tree.Enter([]string{"no", "more"}, true); !errors.Is(err, refused) {
		t.Errorf("Enter = %v; want %v", err, refused)
	}
	tree.Imply(nil, func(string) bool { return true })
	if err := tree.Enter([]string{"loop", "x"}, true); !errors.Is(err, unix.ELOOP) {
		t.Errorf("by links in a circle: %v; want ELOOP", err)
	}
	tree.Imply(nil, nil)
	if err := tree.Enter([]string{"never", "x"}, true); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("where nothing yields: %v; want ENOTDIR", err)
	}
	if err := tree.Leave(1); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/a", "/a/b", "/gives", "/gives/x"} {
		fi, err := os.Lstat(dir + p)
		if err != nil || fi.Mode() != 0o755|os.ModeDir || !fi.ModTime().Equal(time.Unix(0, 0)) {
			t.Errorf("%s is %v of %v, %v; want 0755 of 1970", p, fi.Mode(), fi.ModTime(), err)
		}
	}
	for _, p := range []string{"/stays", "/never"} {
		if fi, err := os.Lstat(dir + p); err != nil || !fi.Mode().IsRegular() {
			t.Errorf("%s is %v, %v", p, fi, err)
		}
	}
	if target, err := os.Readlink(dir + "/loop"); err != nil || target != "loop" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if _, err := os.Lstat(dir + "/no"); !os.IsNotExist(err) {
		t.Errorf("what was refused is there: %v", err)
	}
}

// A tree is as deep as it was said to be.
func TestDepth(t *testing.T) {
	tree := openTree(t, box(t, "a/b/c/d/"))
	tree.most = 3
	err := errors.Join(tree.Push("a"), tree.Push("b"))
	if err != nil || !errors.Is(tree.Push("c"), errDeep) || tree.Depth() != 3 || tree.Path() != "a/b" {
		t.Errorf("%v; %d deep, at %s", err, tree.Depth(), tree.Path())
	}
	tree.Deepen(1)
	if err := tree.Push("c"); err != nil {
		t.Errorf("one deeper: %v", err)
	}
	if err := tree.Push("d"); !errors.Is(err, errDeep) {
		t.Errorf("two deeper: %v; want %v", err, errDeep)
	}
	var root, st unix.Stat_t
	if err := errors.Join(tree.StatRoot(&st), tree.Leave(1), tree.Stat(&root)); err != nil || st.Ino != root.Ino || st.Ino == 0 {
		t.Errorf("the root is inode %d, %v; want %d", st.Ino, err, root.Ino)
	}
}

// Whatever takes an entry away or adds one, the directory has its old time, or the
// one that it was given; and once that is settled it is left alone.
func TestTimesOfDirectories(t *testing.T) {
	old, given, later := time.Unix(1000, 5000), time.Unix(2000, 0), time.Unix(3000, 0)
	for what, c := range map[string]struct {
		change func(*Tree) error
		want   time.Time
	}{
		"a file is removed":      {func(t *Tree) error { return t.Remove("f") }, old},
		"a directory is removed": {func(t *Tree) error { return t.Remove("e") }, old},
		"a directory is made":    {func(t *Tree) error { return t.Mkdir("new", 0o700) }, old},
		"it is given a time":     {func(t *Tree) error { t.Age(unix.NsecToTimespec(given.UnixNano())); return nil }, given},
		"its time is settled": {func(tree *Tree) error {
			err := errors.Join(tree.Mkdir("new", 0o700), tree.Settle())
			var st unix.Stat_t
			if err := tree.Stat(&st); err != nil || st.Mtim.Sec != old.Unix() {
				t.Errorf("settled is %d, %v; want %d", st.Mtim.Sec, err, old.Unix())
			}
			return errors.Join(err, tree.here().setTimes(".", unix.NsecToTimespec(later.UnixNano())))
		}, later},
		"its time is taken as it is": {func(t *Tree) error {
			return errors.Join(t.Mkdir("new", 0o700), t.here().setTimes(".", unix.NsecToTimespec(later.UnixNano())), t.Refresh())
		}, later},
	} {
		dir := box(t, "d/", "d/f", "d/e/", "d/e/g")
		if err := os.Chtimes(dir+"/d", old, old); err != nil {
			t.Fatal(err)
		}
		tree := openTree(t, dir)
		if err := errors.Join(tree.Push("d"), c.change(tree), tree.Leave(1)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if fi, err := os.Stat(dir + "/d"); err != nil || !fi.ModTime().Equal(c.want) {
			t.Errorf("%s: the time is %v, %v; want %v", what, fi.ModTime(), err, c.want)
		}
	}
}

// A directory that is opened up for its owner has its mode again when it is left.
func TestLoosened(t *testing.T) {
	for _, mode := range []os.FileMode{0o500, 0o755, 0o050} {
		dir := box(t, "d/")
		if err := os.Chmod(dir+"/d", mode); err != nil {
			t.Fatal(err)
		}
		tree := openTree(t, dir)
		tree.loosen = true
		if err := tree.Push("d"); err != nil {
			t.Errorf("%o: %v", mode, err)
			continue
		}
		if fi, err := os.Stat(dir + "/d"); err != nil || fi.Mode().Perm() != mode|0o700 {
			t.Errorf("%o: opened up it has %v, %v", mode, fi.Mode(), err)
		}
		if err := tree.Leave(1); err != nil {
			t.Error(err)
		}
		if fi, err := os.Stat(dir + "/d"); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%o: left it has %v, %v", mode, fi.Mode(), err)
		}
	}
}

// One that need not be opened up is left as it is, and as it is made meanwhile.
func TestNotLoosened(t *testing.T) {
	for what, c := range map[string]struct {
		loosen           bool
		mode, made, want os.FileMode
	}{
		"root needs no rights":   {false, 0o500, 0o500, 0o500},
		"the owner has all":      {true, 0o755, 0o711, 0o711},
		"the owner's are no one": {false, 0o055, 0o011, 0o011},
	} {
		dir := box(t, "d/")
		tree := openTree(t, dir)
		tree.loosen = c.loosen
		if err := errors.Join(os.Chmod(dir+"/d", c.mode), tree.Push("d")); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(dir + "/d"); err != nil || fi.Mode().Perm() != c.mode {
			t.Errorf("%s: within it has %v, %v; want %v", what, fi.Mode(), err, c.mode)
		}
		if err := errors.Join(tree.Chmod(".", uint32(c.made)), tree.Leave(1)); err != nil {
			t.Error(err)
		}
		if fi, err := os.Stat(dir + "/d"); err != nil || fi.Mode().Perm() != c.want {
			t.Errorf("%s: left it has %v, %v; want %v", what, fi.Mode(), err, c.want)
		}
	}
}

// What is not there is removed.
func TestRemoveNothing(t *testing.T) {
	tree := openTree(t, box(t, "f"))
	if err := errors.Join(tree.Remove("none"), tree.Remove("f"), tree.Remove("f")); err != nil {
		t.Error(err)
	}
}

// What lies deeper than a tree may get is removed, too, by names that it uses
// itself, and nothing beside it.
func TestRemoveBeyondDepth(t *testing.T) {
	dir := box(t, "gone/.deep0/full/", "gone/a/b/c/d/e/f/g/h/", "gone/i/j/k/l/m/n/o/p/", "gone/.deep1", "kept/", "kept/.deep0")
	tree := openTree(t, dir)
	tree.most = 4
	if err := tree.Remove("gone"); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "kept" {
		t.Errorf("left are %v, %v; want what was beside it", entries, err)
	}
	if _, err := os.Stat(dir + "/kept/.deep0"); err != nil {
		t.Error(err)
	}
	if err := tree.Push("kept"); err != nil || tree.Depth() != 2 {
		t.Errorf("enter what is left: %v, %d deep", err, tree.Depth())
	}
}

// What is hoisted gets a name that is free, and nothing is where it lies already.
func TestHoist(t *testing.T) {
	dir := box(t, "gone/.deep0/full/", "gone/.deep1", "gone/a/x/y/")
	tree := openTree(t, dir)
	if err := errors.Join(tree.Push("gone"), tree.Push("a"), tree.hoist("x", 1), tree.Leave(1)); err != nil {
		t.Error(err)
	}
	for _, p := range []string{"/gone/.deep0/full", "/gone/.deep1", "/gone/.deep2/y", "/gone/a"} {
		if _, err := os.Lstat(dir + p); err != nil {
			t.Error(err)
		}
	}
	tree.most = 2
	if err := tree.Remove("gone"); !errors.Is(err, errDeep) {
		t.Errorf("remove where there is no room = %v; want %v", err, errDeep)
	}
}
