package imagetest

// A tree with everything in it.

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Sample makes a tree with everything that can be packed: long and strange
// names, links of both kinds, devices, owners, modes, attributes and times. It
// needs root.
func Sample(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	for _, d := range []string{"bin", "etc", "tmp", "dev", "var/empty", "root", strings.Repeat("long-name-", 15)} {
		do(os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	do(os.WriteFile(dir+"/bin/sh", []byte(strings.Repeat("shell", 100_000)), 0o755))
	do(os.WriteFile(dir+"/bin/su", []byte("su"), 0o755))
	do(os.Chown(dir+"/bin/su", 0, 5))
	do(os.Chmod(dir+"/bin/su", 0o755|os.ModeSetuid))
	do(os.WriteFile(dir+"/etc/näme with spaces\nand a line", nil, 0o600))
	do(os.WriteFile(dir+"/"+strings.Repeat("long-name-", 15)+"/"+strings.Repeat("x", 250), []byte("y"), 0o640))
	do(os.Symlink("/bin/sh", dir+"/bin/ash"))
	do(os.Symlink(strings.Repeat("../", 50)+"x", dir+"/etc/far"))
	do(os.Link(dir+"/bin/sh", dir+"/zz-hardlink"))
	do(os.Link(dir+"/bin/ash", dir+"/zz-link-to-link"))
	do(unix.Mkfifo(dir+"/tmp/fifo", 0o620))
	do(unix.Mknod(dir+"/dev/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	do(unix.Mknod(dir+"/dev/sd", unix.S_IFBLK|0o660, int(unix.Mkdev(259, 70000))))
	do(os.Lchown(dir+"/bin/ash", 12, 13))
	do(os.Chown(dir+"/root", int(min(int64(4_000_000_000), math.MaxInt)), 5)) // what can be packed
	do(os.Chmod(dir+"/root", 0o700))
	do(os.Chmod(dir+"/tmp", 0o777|os.ModeSticky))
	do(os.Chmod(dir, 0o751))
	do(unix.Setxattr(dir+"/bin/su", "user.note", []byte("a\x00b"), 0))
	do(unix.Setxattr(dir+"/etc", "user.dir", []byte("d"), 0))
	for i, f := range []string{"bin/sh", "etc/far", "tmp/fifo", "tmp", "etc", "bin", "."} {
		ts := unix.NsecToTimespec((1_400_000_000+int64(i))*1e9 + int64(i)*100_000_001)
		at := []unix.Timespec{ts, ts}
		do(unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, f), at, unix.AT_SYMLINK_NOFOLLOW))
	}
	if err := errors.Join(errs...); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// ChangeTree makes a tree of Sample differ from what it was, in every way.
func ChangeTree(tb testing.TB, root string) {
	tb.Helper()
	at := func(p string) string { return filepath.Join(root, p) }
	touch := func(p string) { os.Chtimes(at(p), Time.Add(time.Hour), Time.Add(time.Hour)) }
	for _, err := range []error{
		os.WriteFile(at("etc/new"), []byte("new"), 0o600),
		os.MkdirAll(at("opt/deep/er"), 0o755),
		os.WriteFile(at("opt/deep/er/f"), []byte("f"), 0o644),
		os.RemoveAll(at("var")),
		os.Remove(at("etc/far")),
		os.WriteFile(at("bin/su"), []byte("SU"), 0o755), // the same size
		os.Chmod(at("tmp"), 0o700),
		os.Lchown(at("bin/ash"), 20, 21),                                 // has a second name
		os.Remove(at("zz-hardlink")), os.Symlink("x", at("zz-hardlink")), // a link of its own
		os.RemoveAll(at("dev")), os.WriteFile(at("dev"), nil, 0o644),
		os.Remove(at("tmp/fifo")), os.Mkdir(at("tmp/fifo"), 0o711), os.WriteFile(at("tmp/fifo/in"), nil, 0o644),
		os.Link(at("root"+"/../bin/su"), at("etc/su-again")),
		unix.Setxattr(at("etc"), "user.dir", []byte("other"), 0),
	} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	touch("bin/su")
}
