package imagetest

// Trees as a user sees them, and what must not change around one.

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// Tree describes a tree, a line an entry: path, type, mode, owner, links,
// size or target or device, time, attributes and content.
func Tree(tb testing.TB, root string) []string {
	tb.Helper()
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		mode := st.Mode & 0o7777
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			mode = 0o777 // NetBSD takes the umask off, and looks at it no more than others do
		}
		line := fmt.Sprintf("%s %s %04o %d:%d", rel, kindOf(uint32(st.Mode)), mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %s", st.Size, digest.FromBytes(data)[:19])
		case unix.S_IFLNK:
			target, _ := os.Readlink(path)
			line += " -> " + target
		case unix.S_IFCHR, unix.S_IFBLK:
			line += fmt.Sprintf(" %d:%d", unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev)))
		}
		if st.Nlink > 1 && !d.IsDir() {
			if first := inodes[st.Ino]; first != "" {
				line += " = " + first
			} else {
				inodes[st.Ino] = rel
			}
		}
		line += xattrsOf(path)
		lines = append(lines, line, fmt.Sprintf("mtime %s %d.%09d", rel, st.Mtim.Sec, st.Mtim.Nsec))
		return nil
	})
	if err != nil {
		tb.Fatalf("walk %s: %v", root, err)
	}
	sort.Strings(lines)
	return lines
}

func kindOf(mode uint32) string {
	kind := map[uint32]string{
		unix.S_IFREG: "f", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFIFO: "p", unix.S_IFCHR: "c", unix.S_IFBLK: "b",
	}[mode&unix.S_IFMT]
	if kind == "" {
		return "?"
	}
	return kind
}

// xattrsOf gives the attributes of what path names, which may be a link, by
// name. Where the file system has none, there are none.
func xattrsOf(path string) string {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return ""
	}
	attrs := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	sort.Strings(attrs)
	s := ""
	for _, a := range attrs {
		n, err := unix.Lgetxattr(path, a, buf)
		s += fmt.Sprintf(" %s=%q", a, buf[:max(n, 0)])
		if err != nil {
			s += "!" + err.Error()
		}
	}
	return s
}

// WantTree compares a rootfs with lines of Tree's form, times left out.
func WantTree(tb testing.TB, rootfs string, want ...string) {
	tb.Helper()
	got := slices.DeleteFunc(Tree(tb, rootfs), func(s string) bool {
		return strings.HasPrefix(s, "mtime ") || strings.HasPrefix(s, ". ")
	})
	for i := range got { // owner and digest matter elsewhere
		got[i] = strings.Join(slices.DeleteFunc(strings.Fields(got[i]), func(f string) bool {
			return f == "0:0" || strings.HasPrefix(f, "sha256:")
		}), " ")
	}
	sort.Strings(want)
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		tb.Errorf("tree is\n%s\nwant\n%s", a, b)
	}
}

// Canary makes a tree with things an escape would hit: siblings of the
// bundle, a file above it, a device, a link, a set-id program.
func Canary(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, d := range []string{"in", "etc", "victim", "in/etc"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	for _, f := range []string{"etc/passwd", "victim/file", "in/etc/passwd", "in/file", "file"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("canary of "+f+"\n"), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Symlink("victim", filepath.Join(dir, "link")); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Outside drops the bundle from a tree, and its parent directory's time.
func Outside(lines []string) string {
	lines = slices.DeleteFunc(lines, func(s string) bool {
		s = strings.TrimPrefix(s, "mtime ")
		return strings.HasPrefix(s, "in/bundle") || strings.HasPrefix(s, "in ")
	})
	return strings.Join(lines, "\n")
}

// TreeLikeUmoci is Tree without what umoci 0.4.7 does not keep: fractions of a
// second, and attributes (it sets them on directories only when it feels like
// it).
func TreeLikeUmoci(tb testing.TB, root string) string {
	tb.Helper()
	lines := Tree(tb, root)
	for i, l := range lines {
		if strings.HasPrefix(l, "mtime ") {
			lines[i] = l[:strings.LastIndexByte(l, '.')]
		}
	}
	return strings.Join(lines, "\n")
}

// BelowRoot drops the root directory, which containers/storage makes itself.
func BelowRoot(tree string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(tree, "\n"), func(l string) bool {
		return strings.HasPrefix(l, ". ") || strings.HasPrefix(l, "mtime . ")
	}), "\n")
}
