package snapshots

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A commit takes the place of the directories that the image has: not if something is
// mounted there, be it of the same file system, which stat(2) does not tell.
func TestCommitKeepsMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, kind := range []string{"tmpfs", "bind"} {
		s := open(t, t.TempDir(), "")
		unpack(t, s, "base", "", tree...)
		n, err := s.Prepare(t.Context(), "c", "base", nil)
		if err != nil {
			t.Fatal(err)
		}
		volume, point := t.TempDir(), n.Mounts[0].Source+"/usr"
		if kind == "tmpfs" {
			err = unix.Mount("tmpfs", point, "tmpfs", 0, "")
		} else {
			err = unix.Mount(volume, point, "", unix.MS_BIND, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		put(t, point+"/precious", "x")
		err = s.Commit(t.Context(), "new", "c", "", nil)
		if text, _ := os.ReadFile(point + "/precious"); string(text) != "x" || err == nil {
			t.Errorf("%s: Commit = %v; the mounted file is %q", kind, err, text)
		}
		if err := unix.Unmount(point, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context(), "new", "c", "", nil); err != nil {
			t.Error(err)
		}
	}
}

// What can't be removed keeps no other snapshot from being served, and goes later.
func TestStuck(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	s := open(t, dir, "")
	unpack(t, s, "base", "", tree...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	point := dir + "/temp/left/fs/m"
	if err := errors.Join(os.MkdirAll(point, 0o755), unix.Mount("tmpfs", point, "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	put(t, point+"/precious", "x")
	s = open(t, dir, "")
	if _, err := s.View(t.Context(), "v", "base", nil); err != nil {
		t.Error(err)
	}
	if err := s.Cleanup(); err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("Cleanup of a mount = %v", err)
	}
	if text, _ := os.ReadFile(point + "/precious"); string(text) != "x" {
		t.Errorf("the mounted file is %q", text)
	}
	if err := unix.Unmount(point, 0); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		entries, _ := os.ReadDir(dir + "/temp")
		return len(entries)
	}
	if err := s.Cleanup(); err != nil || left() > 0 {
		t.Errorf("Cleanup = %v, and there are %d", err, left())
	}
}

// A full disk: what was begun is taken back, and what is there is served.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	free := func() uint64 {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		return st.Bfree
	}
	s := open(t, dir, "")
	key := "ns/1/extract-1 base"
	n, err := s.Prepare(t.Context(), key, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, n.Mounts[0].Source+"/bin/small", strings.Repeat("x", 1<<20))
	put(t, n.Mounts[0].Source+"/usr/large", strings.Repeat("x", 3<<19))
	if err := s.Commit(t.Context(), "base", key, "", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(t.Context(), "c", "base", nil); err != nil {
		t.Fatal(err)
	}
	before := free()
	if err := s.Commit(t.Context(), "new", "c", "", nil); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Commit = %v; want that the disk is full", err)
	}
	if _, err := s.Prepare(t.Context(), "copy", "base", map[string]string{OwnLabel: "*"}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Prepare = %v; want that the disk is full", err)
	}
	if now := free(); now < before {
		t.Errorf("%d blocks are free, %d were before", now, before)
	}
	v, err := s.Get("c")
	if err != nil || !slices.Equal(files(t, v.Mounts), []string{"bin/small", "usr/large"}) {
		t.Errorf("the container has %v, %v", v, err)
	}
	if err := s.Remove("c"); err != nil {
		t.Error(err)
	}
}

// What is mounted in a tree is not ours to remove, be it of the same file system. Of a
// file it is told late: then the rest of the tree goes, and it with a later clean-up.
func TestRemoveKeepsMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, kind := range []string{"tmpfs", "bind", "file"} {
		s := open(t, t.TempDir(), "")
		n, err := s.Prepare(t.Context(), "a", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		volume, point := t.TempDir(), n.Mounts[0].Source+"/m"
		precious := point + "/precious"
		switch kind {
		case "tmpfs":
			err = errors.Join(os.Mkdir(point, 0o755), unix.Mount("tmpfs", point, "tmpfs", 0, ""))
		case "bind":
			err = errors.Join(os.Mkdir(point, 0o755), unix.Mount(volume, point, "", unix.MS_BIND, ""))
		case "file":
			precious = volume + "/precious"
			put(t, precious, "x")
			put(t, point, "")
			err = unix.Mount(precious, point, "", unix.MS_BIND, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		put(t, precious, "x")
		err = s.Remove("a")
		// The name is gone, if the mount was not told before.
		for _, dir := range []string{s.path(""), s.temp("")} {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				point = dir + e.Name() + "/fs/m"
			}
		}
		if kind != "file" {
			precious = point + "/precious"
		}
		if text, e := os.ReadFile(precious); string(text) != "x" || err == nil {
			t.Errorf("%s: Remove = %v; the mounted file is %q, %v", kind, err, text, e)
		}
		if err := unix.Unmount(point, 0); err != nil {
			t.Fatalf("%s: unmount %s: %v", kind, point, err)
		}
		if kind == "file" {
			err = s.Cleanup()
		} else {
			err = s.Remove("a")
		}
		if left, _ := os.ReadDir(s.temp("")); err != nil || len(left) > 0 {
			t.Errorf("%s: it can't be removed afterwards: %v, %d left", kind, err, len(left))
		}
	}
}
