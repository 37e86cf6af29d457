package inroot

// What is looked at and made in a root, by paths.

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
)

// withUmask runs do with a umask, which is the whole process's.
func withUmask(mask int, do func()) {
	was := unix.Umask(mask)
	defer unix.Umask(was)
	do()
}

// A directory has its mode whatever the umask, unless the root is a mount of a
// thread that has a umask of its own. One that is there keeps its own.
func TestModesOfMadeDirectories(t *testing.T) {
	for _, exact := range []bool{true, false} {
		dir := box(t, "there/")
		root := openDir(t, dir)
		root.exact = exact
		want := map[bool]os.FileMode{true: 0o755, false: 0o700}[exact]
		withUmask(0o077, func() {
			if err := root.MakeDir("/new/below"); err != nil {
				t.Error(err)
			}
		})
		for _, p := range []string{"/new", "/new/below"} {
			if fi, err := os.Stat(dir + p); err != nil || fi.Mode().Perm() != want {
				t.Errorf("exact %v: %s has the mode %v, %v; want %v", exact, p, fi.Mode(), err, want)
			}
		}
		_, s := root.from(true)
		if err := errors.Join(os.Chmod(dir+"/there", 0o711), s.mkdir("there")); !errors.Is(err, unix.EEXIST) {
			t.Errorf("exact %v: make a directory that is there = %v; want EEXIST", exact, err)
		}
		if fi, err := os.Stat(dir + "/there"); err != nil || fi.Mode().Perm() != 0o711 {
			t.Errorf("exact %v: the directory that was there has the mode %v, %v", exact, fi.Mode(), err)
		}
	}
}

// A device has its mode whatever the umask, unless others could swap the name
// that it is changed by.
func TestModesOfMadeNodes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := box(t, "own/", "shared/", "sticky/", "group/", "others/")
	for name, mode := range map[string]os.FileMode{"own": 0o755, "shared": 0o777, "sticky": 0o777 | os.ModeSticky, "group": 0o775, "others": 0o755} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir+"/others", 7, 7); err != nil {
		t.Fatal(err)
	}
	root := openDir(t, dir)
	node := Node{Mode: unix.S_IFIFO | 0o666}
	withUmask(0o077, func() {
		for p, bad := range map[string]bool{"own/p": false, "shared/p": true, "sticky/p": false, "group/p": true, "others/p": true} {
			err := root.MakeNode(p, node)
			if bad != (err != nil && strings.Contains(err.Error(), "can be written by others")) || !bad && err != nil {
				t.Errorf("make %s = %v; want an error: %v", p, err, bad)
			}
			if fi, err := os.Stat(filepath.Join(dir, p)); !bad && (err != nil || fi.Mode().Perm() != 0o666) {
				t.Errorf("%s has the mode %v, %v", p, fi.Mode(), err)
			}
		}
		root.exact = false
		if err := root.MakeNode("shared/q", node); err != nil {
			t.Errorf("with a umask of its own: %v", err)
		}
	})
	root.exact = true
	withUmask(0, func() {
		if err := root.MakeNode("shared/whole", node); err != nil {
			t.Errorf("where the umask takes nothing: %v", err)
		}
	})
	if fi, err := os.Stat(dir + "/shared/q"); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("with a umask of its own the mode is %v, %v", fi.Mode(), err)
	}
}

// A node has its owner, its kind and its number.
func TestNodesAreWhatIsAskedFor(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := box(t)
	root := openDir(t, dir)
	null := Node{Mode: unix.S_IFCHR | 0o640, Dev: unix.Mkdev(1, 3), UID: 7, GID: 8}
	for p, n := range map[string]Node{"null": null, "user": {Mode: unix.S_IFIFO | 0o600, UID: 7}, "group": {Mode: unix.S_IFIFO | 0o600, GID: 8}} {
		var st unix.Stat_t
		err := errors.Join(root.MakeNode(p, n), root.MakeNode(p, n), root.CheckNode(p, n), unix.Lstat(filepath.Join(dir, p), &st))
		if err != nil || st.Uid != n.UID || st.Gid != n.GID || uint32(st.Mode) != n.Mode {
			t.Errorf("%s: %o, %d:%d, %v; want %+v", p, st.Mode, st.Uid, st.Gid, err, n)
		}
	}
	for what, n := range map[string]Node{
		"another number": {Mode: null.Mode, Dev: unix.Mkdev(1, 5)},
		"another kind":   {Mode: unix.S_IFBLK | 0o640, Dev: null.Dev},
		"a FIFO":         {Mode: unix.S_IFIFO | 0o640},
	} {
		for call, err := range map[string]error{"MakeNode": root.MakeNode("null", n), "CheckNode": root.CheckNode("null", n)} {
			if err == nil || !strings.Contains(err.Error(), "another file there") {
				t.Errorf("%s of %s = %v; want another file there", call, what, err)
			}
		}
	}
	if err := root.CheckNode("user", Node{Mode: unix.S_IFIFO, Dev: 5}); err != nil {
		t.Errorf("the number of a FIFO means something: %v", err)
	}
	if err := root.CheckNode("none", null); !errors.Is(err, unix.ENOENT) {
		t.Errorf("CheckNode where nothing is = %v; want ENOENT", err)
	}
	if err := root.MakeNode("null/x", null); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("MakeNode below a node = %v; want ENOTDIR", err)
	}
}

// Only regular files are read, as much as was said, and none is waited for.
func TestReadFile(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 100_000)
	dir := box(t, "d/", "d/f", "l -> /d/f")
	if err := errors.Join(unix.Mkfifo(dir+"/fifo", 0o600), os.WriteFile(dir+"/long", long, 0o600), os.WriteFile(dir+"/empty", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	tree, root := openTree(t, dir), openDir(t, dir)
	head := func(p string, n int64) ([]byte, error) { return root.ReadHead(p, n) }
	for _, c := range []struct {
		what string
		read func(p string, most int64) ([]byte, error)
		path string
		most int64
		want string
		err  string
	}{
		{"Dir", root.ReadFile, "l", 3, "d/f", ""},
		{"Dir", root.ReadFile, "l", 2, "", "longer than 2 bytes"},
		{"Dir", root.ReadFile, "long", 100_000, string(long), ""},
		{"Dir", root.ReadFile, "long", 99_999, "", "longer than 99999 bytes"},
		{"Dir", root.ReadFile, "empty", 9, "", ""},
		{"Dir", root.ReadFile, "fifo", 9, "", "not a regular file"},
		{"Dir", root.ReadFile, "d", 9, "", "not a regular file"},
		{"Dir", root.ReadFile, "none", 9, "", "no such file"},
		{"head", head, "l", 2, "d/", ""},
		{"head", head, "l", 9, "d/f", ""},
		{"head", head, "fifo", 9, "", "not a regular file"},
		{"Tree", tree.ReadFile, "l", 3, "d/f", ""},
		{"Tree", tree.ReadFile, "l", 2, "", "longer than 2 bytes"},
		{"Tree", tree.ReadFile, "fifo", 9, "", "not a regular file"},
		{"Tree", tree.ReadFile, "long", 100_000, string(long), ""},
	} {
		got, err := c.read(c.path, c.most)
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && (err != nil || string(got) != c.want) {
			t.Errorf("%s: %s, at most %d bytes = %.20q, %v; want %.20q, %q", c.what, c.path, c.most, got, err, c.want, c.err)
		}
	}
	f, err := os.Open(dir + "/d/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := reader(f.Fd()).Read(nil); n != 0 || err != nil { // see io.Reader
		t.Errorf("a read of nothing = %d, %v", n, err)
	}
	var st unix.Stat_t
	if err := tree.Lstat("fifo", &st); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.OpenFile("fifo", &st); !errors.Is(err, errNotRegular) {
		t.Errorf("open a FIFO = %v; want %v", err, errNotRegular)
	}
	for what, change := range map[string]func(*unix.Stat_t){"device": func(s *unix.Stat_t) { s.Dev++ }, "inode": func(s *unix.Stat_t) { s.Ino++ }} {
		if err := tree.Lstat("long", &st); err != nil {
			t.Fatal(err)
		}
		change(&st)
		if _, err := tree.OpenFile("long", &st); !errors.Is(err, errReplaced) {
			t.Errorf("open a file of another %s = %v; want %v", what, err, errReplaced)
		}
	}
}

// No link on the way is ordinary, however the path is written.
func TestCheckOrdinary(t *testing.T) {
	root := openDir(t, box(t, "d/", "d/e/", "d/l -> e", "d/m -> e", "l -> d", "dangling -> nowhere", "f"))
	for p, link := range map[string]bool{
		"": false, "/": false, "d/e": false, "/d//e/.": false, "none/x": false, "f/x": false, "d/none": false,
		"l": true, "/l": true, "//l": true, "./l": true, "l/e": true, "d/l": true, "d/m": true, "/d/./l/x": true, "dangling": true, "dangling/x": true,
	} {
		if err := root.CheckOrdinary(p); (err != nil) != link {
			t.Errorf("CheckOrdinary(%q) = %v; want a link: %v", p, err, link)
		}
	}
}

func TestSymlink(t *testing.T) {
	dir := box(t, "f", "up -> ../../..")
	root := openDir(t, dir)
	for p, made := range map[string]string{"l": "l", "new/dir/l": "new/dir/l", "up/at/top": "at/top"} {
		err := root.Symlink("/some/where", p)
		if target, err2 := os.Readlink(filepath.Join(dir, made)); err != nil || err2 != nil || target != "/some/where" {
			t.Errorf("Symlink at %s: %v; it leads to %q, %v", p, err, target, err2)
		}
	}
	if err := root.Symlink("x", "f"); !errors.Is(err, unix.EEXIST) {
		t.Errorf("Symlink at a file = %v; want EEXIST", err)
	}
}

// A place is the directory that was asked for, and knows where it lies.
func TestPlaces(t *testing.T) {
	dir := box(t, "d/", "d/e/", "l -> /d/e", "f")
	root := openDir(t, dir)
	for p, want := range map[string]string{"/": "/", "": "/", "d/..": "/", "d": "/d", "l": "/d/e", "l/..": "/d", "new/x": "/new/x"} {
		place, err := root.OpenDir(p, true)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		now, err := place.Stat()
		err = errors.Join(err, unix.Stat(dir+want, &st))
		if err != nil || place.Path() != want || place.IsRoot() != (want == "/") || st.Ino != now.Ino {
			t.Errorf("OpenDir(%q) is %s (the root: %v), inode %d, %v; want %s, %d", p, place.Path(), place.IsRoot(), now.Ino, err, want, st.Ino)
		}
		asked := errors.New("asked")
		if err := place.Ask(func(fd int) error {
			if err := unix.Fstat(fd, &now); err != nil || now.Ino != st.Ino {
				t.Errorf("lent is inode %d, %v; want %d", now.Ino, err, st.Ino)
			}
			return asked
		}); !errors.Is(err, asked) {
			t.Errorf("Ask = %v; want its function's error", err)
		}
		place.Close()
	}
	for p, want := range map[string]error{"f": unix.ENOTDIR, "none": unix.ENOENT} {
		if _, err := root.OpenDir(p, false); !errors.Is(err, want) {
			t.Errorf("OpenDir(%q) = %v; want %v", p, err, want)
		}
	}
	if err := (*Place)(nil).Ask(func(int) error { return nil }); err == nil {
		t.Error("no place was lent")
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		p, dir string
		want   bool
	}{{"/a", "/a", true}, {"/a/b", "/a", true}, {"/ab", "/a", false}, {"/a", "/a/b", false}, {"/a", "/", true}, {"/", "/", true}, {"/", "/a", false}} {
		if got := Within(c.p, c.dir); got != c.want {
			t.Errorf("Within(%q, %q) = %v", c.p, c.dir, got)
		}
	}
}

// A copy has the content, the mode and the owner that it should, and what somebody
// has left or put under the name it is written by is not written to.
func TestCopyFileReplaces(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 10_000) // more than one buffer
	dir := box(t, "source", "victim", "same", "other", "shorter")
	other := bytes.Repeat([]byte("9876543210"), 10_000)
	err := errors.Join(os.WriteFile(dir+"/source", content, 0o600), os.WriteFile(dir+"/same", content, 0o640),
		os.WriteFile(dir+"/other", other, 0o640), os.WriteFile(dir+"/shorter", content[:1000], 0o640), os.Link(dir+"/victim", dir+"/"+copyName))
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(dir+"/source", 7, 8)
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(dir + "/source")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var source unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &source); err != nil {
		t.Fatal(err)
	}
	root := openDir(t, dir)
	for p, mode := range map[string]os.FileMode{"new": 0o444, "same": 0o644, "other": 0o444, "shorter": 0o444} {
		if err := root.CopyFile(p, in, 0o444); err != nil {
			t.Errorf("copy to %s: %v", p, err)
			continue
		}
		var st unix.Stat_t
		got, err := os.ReadFile(filepath.Join(dir, p))
		fi, err2 := os.Stat(filepath.Join(dir, p))
		if err := errors.Join(err, err2, unix.Stat(filepath.Join(dir, p), &st)); err != nil || !bytes.Equal(got, content) || fi.Mode() != mode {
			t.Errorf("%s: %d bytes, mode %v, %v; want %v", p, len(got), fi.Mode(), err, mode)
		}
		if p != "same" && (st.Uid != source.Uid || st.Gid != source.Gid) {
			t.Errorf("%s belongs to %d:%d; want %d:%d", p, st.Uid, st.Gid, source.Uid, source.Gid)
		}
	}
	if got, err := os.ReadFile(dir + "/victim"); err != nil || string(got) != "victim" {
		t.Errorf("the file that had the name of a copy holds %.20q, %v", got, err)
	}
	broken, err := os.Open(dir) // it has a size, and can't be read
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	if err := root.CopyFile("bad", broken, 0o444); err == nil {
		t.Error("what can't be read was copied")
	}
	for _, p := range []string{"bad", copyName} {
		if _, err := os.Lstat(filepath.Join(dir, p)); !os.IsNotExist(err) {
			t.Errorf("%s was left: %v", p, err)
		}
	}
}

func TestEqual(t *testing.T) {
	long := strings.Repeat("x", 40<<10)
	failed := errors.New("failed")
	for _, c := range []struct {
		a, b string
		want bool
	}{{"", "", true}, {long, long, true}, {long, long[1:], false}, {long[1:], long, false}, {long[:32<<10], long[:32<<10], true}, {"a", "b", false}, {"", "b", false}} {
		if got, err := equal(strings.NewReader(c.a), strings.NewReader(c.b)); got != c.want || err != nil {
			t.Errorf("%d and %d bytes: %v, %v", len(c.a), len(c.b), got, err)
		}
	}
	if _, err := equal(iotest.ErrReader(failed), strings.NewReader("")); !errors.Is(err, failed) {
		t.Errorf("the first fails: %v", err)
	}
	if _, err := equal(strings.NewReader(""), iotest.ErrReader(failed)); !errors.Is(err, failed) {
		t.Errorf("the second fails: %v", err)
	}
}

// Directories, files and links are copied with their modes and owners, nothing
// else is, and nothing is written over.
func TestCopyTree(t *testing.T) {
	from, to := box(t, "d/", "d/e/", "d/e/f", "g", "l -> ../../victim"), box(t)
	modes := map[string]os.FileMode{
		"d": 0o750 | os.ModeDir | os.ModeSticky, "d/e": 0o500 | os.ModeDir | os.ModeSetgid, "d/e/f": 0o711 | os.ModeSetuid, "g": 0o400, "l": 0o777 | os.ModeSymlink,
	}
	err := unix.Mkfifo(from+"/fifo", 0o600)
	for p, mode := range modes {
		if os.Geteuid() == 0 {
			err = errors.Join(err, os.Lchown(filepath.Join(from, p), 7, 8))
		}
		if mode&os.ModeSymlink == 0 {
			err = errors.Join(err, os.Chmod(filepath.Join(from, p), mode))
		}
	}
	src, err2 := os.OpenRoot(from)
	dst, err3 := os.OpenRoot(to)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	defer dst.Close()
	if err := CopyTree(src, dst, "."); err != nil {
		t.Fatal(err)
	}
	for p, mode := range modes {
		var was, is unix.Stat_t
		fi, err := os.Lstat(filepath.Join(to, p))
		if l, lerr := os.Lstat(filepath.Join(from, p)); lerr == nil && mode&os.ModeSymlink != 0 {
			mode = l.Mode() // Linux's links have all permissions, NetBSD's what umask leaves
		}
		err = errors.Join(err, unix.Lstat(filepath.Join(from, p), &was), unix.Lstat(filepath.Join(to, p), &is))
		if err != nil || fi.Mode() != mode || is.Uid != was.Uid || is.Gid != was.Gid {
			t.Errorf("%s is %v of %d:%d, %v; want %v of %d:%d", p, fi.Mode(), is.Uid, is.Gid, err, mode, was.Uid, was.Gid)
		}
	}
	for p, want := range map[string]string{"d/e/f": "d/e/f", "g": "g"} {
		if got, err := os.ReadFile(filepath.Join(to, p)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", p, got, err)
		}
	}
	if target, err := os.Readlink(to + "/l"); err != nil || target != "../../victim" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if list, err := os.ReadDir(to); err != nil || len(list) != 3 {
		t.Errorf("copied are %v, %v; want no FIFO", list, err)
	}
	for _, there := range []string{"g", "d", "l"} {
		from, to := box(t), box(t)
		err := errors.Join(os.WriteFile(to+"/"+there, []byte("kept"), 0o600))
		switch there {
		case "d":
			err = errors.Join(err, os.Mkdir(from+"/d", 0o700))
		case "l":
			err = errors.Join(err, os.Symlink("x", from+"/l"))
		default:
			err = errors.Join(err, os.WriteFile(from+"/"+there, []byte("n"), 0o600))
		}
		src, err2 := os.OpenRoot(from)
		dst, err3 := os.OpenRoot(to)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		if err := CopyTree(src, dst, "."); !errors.Is(err, unix.EEXIST) {
			t.Errorf("%s is there: %v; want EEXIST", there, err)
		}
		if got, err := os.ReadFile(to + "/" + there); err != nil || string(got) != "kept" {
			t.Errorf("%s was there and holds %q, %v", there, got, err)
		}
		_, _ = src.Close(), dst.Close()
	}
}
