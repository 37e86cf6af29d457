package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

func TestHome(t *testing.T) {
	long := "/" + strings.Repeat("x", len(Home{}))
	for _, c := range []struct {
		list string // a file of the root, or what makes one
		uid  uint32
		want string
	}{
		{"root:x:0:0::/root:/bin/sh\nu:x:7:7::/home/u:/bin/sh", 7, "/home/u"},
		{"# comment\n\nu:x:7\nshort:x:7:7::/home/short", 7, "/home/short"},
		{"u:x:7:7::/first:\nv:x:7:7::/second:\n", 7, "/first"},
		{"u:x:07:7::/octal:\n", 7, "/"},
		{"u:x:7:7:::\n", 7, "/"},
		{"u:x:7:7::/a\x00b:\n", 7, "/"},
		{"u:x:7:7::" + long + ":\n", 7, long},
		{"root:x:0:0::/root:\n", 4294967294, "/"},
		{strings.Repeat("\n", passwdMost) + "u:x:7:7::/far:\n", 7, "/"},
		{"", 7, "/"},
		{"FIFO", 7, "/"},
		{"directory", 7, "/"},
		{"link", 7, "/"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, passwdFile)
		err := os.Mkdir(filepath.Dir(file), 0o755)
		switch {
		case err != nil:
		case c.list == "FIFO":
			err = unix.Mkfifo(file, 0o644)
		case c.list == "directory":
			err = os.Mkdir(file, 0o755)
		case c.list == "link": // to the host's
			err = os.Symlink("../../../../../../../../etc/passwd", file)
		default:
			err = os.WriteFile(file, []byte(c.list), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		root, err := inroot.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := HomeOf(root, c.uid); got != c.want {
			t.Errorf("HomeOf(%.40q, %d) = %.40q; want %.40q", c.list, c.uid, got, c.want)
		}
		root.Close()
	}
}

// A directory that does not fit is none: half a path would be another one.
func TestLateHome(t *testing.T) {
	var h Home
	for dir, want := range map[string]string{"/root": "/root", strings.Repeat("x", len(h)-len("HOME=")-1): "x", strings.Repeat("x", len(h)-len("HOME=")): "/"} {
		h.Set(dir)
		got := unix.ByteSliceToString(h[:])
		if !strings.HasPrefix(got, "HOME="+want) || h[len(h)-1] != 0 {
			t.Errorf("Set of %d bytes = %.20q", len(dir), got)
		}
	}
}

func TestWithoutHome(t *testing.T) {
	for _, c := range []struct {
		env, rest []string
		none      bool
	}{
		{[]string{"A=1"}, []string{"A=1"}, true},
		{[]string{"HOME=", "A=1"}, []string{"A=1"}, true},
		{[]string{"HOME=/x", "A=1"}, []string{"HOME=/x", "A=1"}, false},
		{[]string{"HOMER=/x"}, []string{"HOMER=/x"}, true},
	} {
		if rest, none := WithoutHome(c.env); !slices.Equal(rest, c.rest) || none != c.none {
			t.Errorf("WithoutHome(%q) = %q, %v", c.env, rest, none)
		}
	}
}

// A HOME that is set is left as it is, and one that is empty is none.
func TestWithHome(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/etc", 0o755), os.WriteFile(dir+passwdFile, []byte("u:x:7:7::/home/u:\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	root, err := inroot.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, c := range []struct{ env, want []string }{
		{[]string{"HOME=/x", "A=1"}, []string{"HOME=/x", "A=1"}},
		{[]string{"HOME=", "A=1"}, []string{"A=1", "HOME=/home/u"}},
		{nil, []string{"HOME=/home/u"}},
	} {
		if got := WithHome(c.env, root, 7); !slices.Equal(got, c.want) {
			t.Errorf("WithHome(%q) = %q; want %q", c.env, got, c.want)
		}
	}
}

// FuzzHome: a list of users is the container's, and may be anything.
func FuzzHome(f *testing.F) {
	f.Add([]byte("root:x:0:0::/root:/bin/sh\nu:x:7:7::/home/u:/bin/sh\n"))
	f.Add([]byte("::0:::\x00:\n:\n"))
	dir := f.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		if err := os.WriteFile(filepath.Join(dir, passwdFile), list, 0o644); err != nil {
			t.Fatal(err)
		}
		root, err := inroot.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		home := HomeOf(root, 0)
		if home == "" || strings.ContainsAny(home, "\x00\n:") {
			t.Errorf("HomeOf(%q) = %q", list, home)
		}
		var h Home
		h.Set(home)
	})
}
