package inroot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// tree makes files ("f"), directories ("d/") and links ("l -> target").
func tree(t *testing.T, entries ...string) Dir {
	t.Helper()
	dir := t.TempDir()
	for _, e := range entries {
		name, target, link := strings.Cut(e, " -> ")
		p := filepath.Join(dir, name)
		var err error
		switch {
		case link:
			err = os.Symlink(target, p)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		default:
			err = os.WriteFile(p, []byte(name), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestPathsStayInRoot(t *testing.T) {
	r := tree(t, "a/", "a/b/", "a/b/f", "g", "abs -> /a/b", "rel -> a/b", "up -> ../../../../a", "etc -> /etc",
		"loop -> loop", "chain -> abs", "a/b/back -> ../../g", "dang -> /nope/x")
	for _, c := range []struct {
		path, want string // want is the file's content, or the error's text
	}{
		{"/a/b/f", "a/b/f"},
		{"a/b/f", "a/b/f"},
		{"/abs/f", "a/b/f"},
		{"/rel/f", "a/b/f"},
		{"/up/b/f", "a/b/f"},
		{"/chain/f", "a/b/f"},
		{"/../../g", "g"},
		{"/a/../g", "g"},
		{"/abs/../../../g", "g"},
		{"/a/b/back", "g"},
		{"/etc/passwd", "too many levels"},
		{"/loop", "too many levels"},
		{"/loop/x", "too many levels"},
		{"/dang", "no such file"},
		{"/g/x", "not a directory"},
	} {
		got := ""
		fd, err := r.OpenFile(c.path, unix.O_RDONLY, 0)
		if err != nil {
			got = err.Error()
		} else {
			buf := make([]byte, 64)
			n, _ := unix.Read(fd, buf)
			got = string(buf[:n])
			sys.CloseFD(fd)
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("OpenFile(%s) = %q; want %q", c.path, got, c.want)
		}
	}
}

func TestMissingDirectoriesAreMade(t *testing.T) {
	r := tree(t, "a/", "link -> /a/new", "out -> /../../x")
	for _, p := range []string{"/a/1/2", "/link/3", "/out/4"} {
		fd, err := r.OpenDir(p, true)
		if err != nil {
			t.Errorf("OpenDir(%s) = %v", p, err)
		}
		sys.CloseFD(fd)
	}
	for _, p := range []string{"/a/1/2", "/a/new/3", "/x/4"} {
		if _, err := r.Stat(p); err != nil {
			t.Errorf("%s was not made inside the root: %v", p, err)
		}
	}
	fd, err := r.MakeFile("/a/new/dir/file", unix.O_PATH)
	if err != nil {
		t.Errorf("MakeFile = %v", err)
	}
	sys.CloseFD(fd)
	if _, err := r.OpenDir("/a/none", false); !errors.Is(err, unix.ENOENT) {
		t.Errorf("OpenDir without create = %v; want ENOENT", err)
	}
}

func TestLookExec(t *testing.T) {
	r := tree(t, "bin/", "bin/prog", "bin/data", "bin/dir/", "usr -> /bin", "abs -> /bin/prog")
	if err := unix.Fchmodat(r.FD, "bin/data", 0o644, 0); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=relative:/none:/usr"}
	for _, c := range []struct{ name, cwd, want string }{
		{"prog", "/", ""},
		{"/bin/prog", "/", ""},
		{"/usr/prog", "/", ""},
		{"/abs", "/", ""},
		{"./prog", "/bin", ""},
		{"nope", "/", `exec: "nope": executable file not found in $PATH`},
		{"/nope", "/", `exec: "/nope": no such file or directory`},
		{"data", "/", `exec: "data": permission denied`},
		{"/bin/dir", "/", `exec: "/bin/dir": permission denied`},
		{"", "/", "process.args[0] is empty"},
	} {
		err := r.LookExec(c.name, c.cwd, env)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("LookExec(%q) = %v; want %q", c.name, err, c.want)
		}
	}
}
