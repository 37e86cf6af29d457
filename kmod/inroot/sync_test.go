package inroot

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Each file and directory is waited for before the directory that names it, and
// nothing else is opened: a FIFO would wait for a writer, a link leads away.
func TestSyncTree(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	for _, path := range []string{outside + "/not", dir + "/a", dir + "/d/e/b"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.Symlink(outside, dir+"/d/link"), unix.Mkfifo(dir+"/fifo", 0o600),
		os.Chmod(dir+"/a", 0), os.Chmod(dir+"/d/e", 0o500))
	f, err2 := os.Open(dir)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	inode := map[uint64]string{}
	for _, name := range []string{".", "a", "d", "d/e", "d/e/b"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil {
			t.Fatal(err)
		}
		inode[st.Ino] = name
	}
	var order []string
	see := func(fd int) error {
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		order = append(order, inode[st.Ino])
		return err
	}
	if err := syncEach(f, see); err != nil {
		t.Fatal(err)
	}
	at := func(name string) int { return slices.Index(order, name) }
	if len(order) != len(inode) || at("a") < 0 || at("d/e/b") < 0 || at("d/e/b") > at("d/e") || at("d/e") > at("d") || at(".") != len(order)-1 {
		t.Errorf("waited for %q", order)
	}
	if fi, err := os.Stat(dir + "/a"); err != nil || fi.Mode() != 0 {
		t.Errorf("the file's mode is %v, %v afterwards", fi.Mode(), err)
	}

	// What the disk does not take is told.
	for _, name := range []string{"a", "d/e", "."} {
		err := syncEach(f, func(fd int) error {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil || inode[st.Ino] == name {
				return errors.Join(err, unix.EIO)
			}
			return nil
		})
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s was not written: %v", name, err)
		}
	}
	if err := SyncTree(f); err != nil {
		t.Error(err)
	}
}

// What goes meanwhile, or lies too deep, is not on the disk: that is told by its name.
func TestSyncTreeIsWhole(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sync := func(dir string, fsync func(int) error) error {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return syncEach(f, fsync)
	}
	err := sync(dir, func(int) error { // whichever comes first, the other goes
		return errors.Join(os.RemoveAll(dir+"/a"), os.RemoveAll(dir+"/b"))
	})
	if !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), `"a": `) && !strings.HasPrefix(err.Error(), `"b": `) {
		t.Errorf("a file that has gone: %v", err)
	}
	for more, want := range map[int]error{1: nil, 2: errDeep} {
		deep := t.TempDir()
		dig(t, deep, maxDepth+more)
		if err := sync(deep, func(int) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%d more than %d deep: %v; want %v", more, maxDepth, err, want)
		}
	}
}
