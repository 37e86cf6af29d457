package inroot

// Where paths lead, for Dir and Tree alike.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// box makes files ("f", which holds its name), directories ("d/") and links
// ("l -> target") in a directory that lies in another one with a victim.
func box(tb testing.TB, entries ...string) string {
	tb.Helper()
	around := tb.TempDir()
	dir := filepath.Join(around, "in", "root")
	err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(around, "victim"), []byte("victim"), 0o600))
	for _, e := range entries {
		name, target, link := strings.Cut(e, " -> ")
		p := filepath.Join(dir, name)
		switch {
		case link:
			err = errors.Join(err, os.Symlink(target, p))
		case strings.HasSuffix(name, "/"):
			err = errors.Join(err, os.MkdirAll(p, 0o755))
		default:
			err = errors.Join(err, os.WriteFile(p, []byte(name), 0o644))
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

func openDir(tb testing.TB, dir string) *Dir {
	tb.Helper()
	d, err := Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	return d
}

func openTree(tb testing.TB, dir string) *Tree {
	tb.Helper()
	f, err := os.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	t, err := OpenTree(f)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	return t
}

// users are the two that resolve a path. They give the name under which the
// file was made.
var users = []struct {
	name string
	find func(tb testing.TB, dir, path string) (string, error)
}{
	{"Tree", func(tb testing.TB, dir, path string) (string, error) {
		content, err := openTree(tb, dir).ReadFile(path, 100)
		return string(content), err
	}},
	{"Dir", func(tb testing.TB, dir, path string) (string, error) {
		st, err := openDir(tb, dir).Stat(path)
		if err != nil {
			return "", err
		}
		found := ""
		err = filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
			var here unix.Stat_t
			if err == nil && unix.Lstat(p, &here) == nil && here.Ino == st.Ino {
				found = strings.TrimPrefix(p[len(dir):], "/")
			}
			return err
		})
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = errNotRegular // as reading it is
		}
		return found, err
	}},
}

func TestPathsStayInRoot(t *testing.T) {
	dir := box(t, "a/", "a/b/", "a/b/f", "g", "abs -> /a/b", "rel -> a/b", "up -> ../../../../a", "etc -> /etc",
		"loop -> loop", "ping -> pong", "pong -> ping", "chain -> abs", "a/b/back -> ../../g", "dang -> /nope/x", "victim -> ../../victim",
		"a/out -> ../../../victim", "a/b/top -> /g", "self -> .", "root -> /", "slash -> a/b/", "dots -> a/b/../b/./f")
	for _, c := range []struct {
		path, want string // want is the file, or the error's text
	}{
		{"/a/b/f", "a/b/f"},
		{"a/b/f", "a/b/f"},
		{"//a/./b//f", "a/b/f"},
		{"/abs/f", "a/b/f"},
		{"/rel/f", "a/b/f"},
		{"/up/b/f", "a/b/f"},
		{"/chain/f", "a/b/f"},
		{"/slash/f", "a/b/f"},
		{"/dots", "a/b/f"},
		{"/self/self/root/self/g", "g"},
		{"/../../g", "g"},
		{"/a/../g", "g"},
		{"/g/.", "g"}, // a dot at the end means nothing
		{"/abs/../../../g", "g"},
		{"/abs/../b/f", "a/b/f"}, // ".." is the target's parent
		{"/a/b/back", "g"},
		{"/a/b/top", "g"},                  // from the root, and not from where the link lies
		{"/etc/passwd", "too many levels"}, // it leads to itself
		{"/victim", "too many levels"},
		{"/a/out", "too many levels"},
		{"/loop", "too many levels"},
		{"/loop/x", "too many levels"},
		{"/ping/x", "too many levels"},
		{"/dang", "no such file"},
		{"/g/x", "not a directory"},
		{"/g/..", "not a directory"},
		{"/a", "not a regular file"},
		{"/a/b/..", "not a regular file"},
		{"/root", "not a regular file"},
		{"/", "not a regular file"},
	} {
		for _, u := range users {
			got, err := u.find(t, dir, c.path)
			if err != nil {
				got = err.Error()
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("%s: %s leads to %q; want %q", u.name, c.path, got, c.want)
			}
		}
	}
}

// A name may lead through as many links for the unpacker as for the runtime.
func TestLinkLimit(t *testing.T) {
	entries := []string{"f", "d/", "f0 -> f", "d0 -> /d", "d/x"}
	for i := range MaxLinks + 1 {
		entries = append(entries, fmt.Sprintf("f%d -> f%d", i+1, i), fmt.Sprintf("d%d -> d%d", i+1, i))
	}
	dir := box(t, entries...)
	for _, c := range []struct {
		name  string // the first link's
		below string
		want  string
	}{{"f", "", "f"}, {"d", "/x", "d/x"}} {
		for _, u := range users {
			most, more := fmt.Sprintf("%s%d%s", c.name, MaxLinks-1, c.below), fmt.Sprintf("%s%d%s", c.name, MaxLinks, c.below)
			if got, err := u.find(t, dir, most); got != c.want || err != nil {
				t.Errorf("%s: %d links lead to %q, %v; want %q", u.name, MaxLinks, got, err, c.want)
			}
			if got, err := u.find(t, dir, more); !errors.Is(err, unix.ELOOP) {
				t.Errorf("%s: %d links lead to %q, %v; want ELOOP", u.name, MaxLinks+1, got, err)
			}
		}
	}
}

// The links in the middle and at the end of one name are counted together.
func TestLinkLimitIsOfTheWholeName(t *testing.T) {
	entries := []string{"d/", "d/f", "l -> .", "d/g -> f"}
	dir := box(t, entries...)
	for n, want := range map[int]error{MaxLinks - 1: nil, MaxLinks: unix.ELOOP} {
		for _, u := range users {
			if _, err := u.find(t, dir, strings.Repeat("l/", n)+"d/g"); !errors.Is(err, want) {
				t.Errorf("%s: %d links = %v; want %v", u.name, n+1, err, want)
			}
		}
	}
}

func TestMissingDirectoriesAreMade(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(tb testing.TB, dir, path string) error
	}{
		{"Tree", func(tb testing.TB, dir, path string) error {
			return openTree(tb, dir).Enter(strings.Split(path, "/"), true)
		}},
		{"Dir", func(tb testing.TB, dir, path string) error { return openDir(tb, dir).MakeDir(path) }},
	} {
		dir := box(t, "a/", "link -> /a/new", "out -> /../../x", "f")
		for _, p := range []string{"/a/1/2", "/link/3", "/out/4"} {
			if err := c.make(t, dir, p); err != nil {
				t.Errorf("%s: make %s: %v", c.name, p, err)
			}
		}
		for _, p := range []string{"/a/1/2", "/a/new/3", "/x/4"} {
			if fi, err := os.Lstat(dir + p); err != nil || !fi.IsDir() {
				t.Errorf("%s: %s was not made inside the root: %v", c.name, p, err)
			}
		}
		if err := c.make(t, dir, "/f/x"); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("%s: make a directory below a file = %v; want ENOTDIR", c.name, err)
		}
	}
}

// FuzzPaths resolves arbitrary paths over arbitrary links. Nothing around the
// root is found, made or removed.
func FuzzPaths(f *testing.F) {
	for _, s := range [][2]string{
		{"a", "b"},
		{"../victim", "/../../victim"},
		{"l/../..", "../.."},
		{"l/victim", "/../.."},
		{"//a/./b//", "."},
		{"l/l/l", "/l"},
		{strings.Repeat("a/", 60), strings.Repeat("../", 60)},
		{"\x00", "a\x00b"},
		{"\xff\xfe", "l/victim"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, path, target string) {
		dir := box(t, "a/", "a/f", "f")
		around := filepath.Dir(filepath.Dir(dir))
		tree, root := openTree(t, dir), openDir(t, dir)
		_ = errors.Join(tree.Symlink(target, "l"), tree.Mkdir("d", 0o700)) // a system refuses some
		names := strings.Split(path, "/")
		for _, p := range []string{path, "l/" + path, "d/../" + path} {
			data, _ := tree.ReadFile(p, 100)
			if string(data) == "victim" {
				t.Fatalf("Tree found the victim by %q over %q", p, target)
			}
			_, _ = root.Stat(p)
			_ = root.Symlink("x", p+"s")
			_ = root.MakeDir(p + "m")
			_ = root.MakeNode(p+"n", Node{Mode: unix.S_IFIFO | 0o600})
		}
		_ = tree.Enter(names, true)
		for _, n := range append(names, path, "..", "../victim", "/victim") {
			_ = tree.Remove(n)
			_ = tree.Link([]string{"f"}, []string{"l"}, n)
		}
		left, err := os.ReadDir(around)
		in, err2 := os.ReadDir(filepath.Dir(dir))
		victim, err3 := os.ReadFile(filepath.Join(around, "victim"))
		if err := errors.Join(err, err2, err3); err != nil || len(left) != 2 || len(in) != 1 || string(victim) != "victim" {
			t.Fatalf("around the root is %v and %v, the victim %q (%v) after %q over %q", left, in, victim, err, path, target)
		}
	})
}

// late is a place where somebody makes a directory at the same time.
type late struct{ *steps }

func (l *late) mkdir(name string) error {
	return errors.Join(l.here().mkdir(name, 0o700), l.here().mkdir(name, 0o700))
}

// Who comes second takes the directory that is there.
func TestDirectoryIsMadeMeanwhile(t *testing.T) {
	root := openDir(t, box(t))
	_, s := root.from(true)
	defer s.letGo()
	w := walk{in: &late{s}, create: true}
	if failed, err := w.enter([]string{"a", "b"}); err != nil || len(s.open) != 2 {
		t.Errorf("%s: %v; %d entered", failed, err, len(s.open))
	}
}

// A name that is long or strange is told in a line that stays short.
func TestQuote(t *testing.T) {
	whole, long := strings.Repeat("x", 200), strings.Repeat("x", 201)
	for s, want := range map[string]string{"a\nb": `"a\nb"`, whole: `"` + whole + `"`, long: `"` + whole + `"... (201 bytes)`} {
		if got := quote(s); got != want {
			t.Errorf("quote of %d bytes = %s; want %s", len(s), got, want)
		}
	}
}
