package hostroot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// lostMounts is a kernel with a mount whose directory was removed: no path
// leads to it any more, and it keeps the root busy.
type lostMounts struct {
	Kernel
	root string
}

func (k lostMounts) table() ([]mountEntry, error) {
	return []mountEntry{{kind: fsNull, on: k.root}, {kind: fsTmpfs, on: k.root + "/dev"}}, nil
}

func (k lostMounts) mountOf(*inroot.Place) (mountEntry, error) {
	return mountEntry{kind: fsNull, on: k.root}, nil
}

func (k lostMounts) unmount(path string, _ bool) error {
	if path == k.root {
		return unix.EBUSY
	}
	return unix.ENOENT
}

func shortPatience(t *testing.T) {
	t.Helper()
	old := unmountPatience
	unmountPatience = 10 * time.Millisecond
	t.Cleanup(func() { unmountPatience = old })
}

// oneMount is a kernel with one mount, which it unmounts with an error.
type oneMount struct {
	Kernel
	on, other string
	err       error
}

func (k oneMount) table() ([]mountEntry, error) {
	return []mountEntry{{kind: fsNull, on: k.on}, {kind: fsNull, on: k.other}}, nil
}

func (k oneMount) mountOf(*inroot.Place) (mountEntry, error) {
	return mountEntry{kind: fsNull, on: k.on}, nil
}

func (k oneMount) unmount(string, bool) error { return k.err }

// What has gone meanwhile is gone, and what can't be unmounted is not waited for.
func TestUnmountErrors(t *testing.T) {
	shortPatience(t)
	k := oneMount{on: t.TempDir(), other: "/elsewhere"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{unix.EINVAL, ""},
		{unix.ENOENT, ""},
		{unix.EPERM, "unmount " + k.on + ": " + unix.EPERM.Error()},
		{unix.EBUSY, "unmount " + k.on + ": " + unix.EBUSY.Error() + ": a process uses it (fstat -f shows which)"},
	} {
		k.err = c.err
		got := ""
		if err := unmountPoint(k, mountEntry{kind: fsNull, on: k.on}, unmountPatience); err != nil {
			got = whyBusy(k, k.on, err).Error() // nothing is mounted below
		}
		if got != c.want {
			t.Errorf("%v: %q; want %q", c.err, got, c.want)
		}
	}
}

// What can't be unmounted is an error also where it was recorded.
func TestRecordedAndRefused(t *testing.T) {
	k := oneMount{on: filepath.Join(t.TempDir(), DirName), other: "/elsewhere", err: unix.EPERM}
	if err := os.Mkdir(k.on, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Unmount(k, k.on, []string{k.on}, true); !errors.Is(err, unix.EPERM) {
		t.Errorf("unmount = %v; want EPERM", err)
	}
}

// Where the mount point has become something else, nothing is unmounted.
func TestReplacedMountPoint(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	for _, on := range []string{file, link, dir + "/gone", file + "/below"} {
		if err := unmountPoint(oneMount{on: on, err: unix.EPERM}, mountEntry{kind: fsNull, on: on}, unmountPatience); err != nil {
			t.Errorf("%s: %v", on, err)
		}
	}
}

// A mount that no path leads to stays the container's, and so does what lies
// where its root was mounted.
func TestUnmountIsComplete(t *testing.T) {
	root := filepath.Join(t.TempDir(), DirName)
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	k := oneMount{on: root + "/gone", other: "/elsewhere"}
	if err := Unmount(k, root, nil, false); err == nil || !strings.Contains(err.Error(), "still mounted") {
		t.Errorf("a mount that is not to be found: %v", err)
	}
	k.on = "/elsewhere"
	if err := os.WriteFile(root+"/f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, checked := range []bool{false, true} {
		if err := Unmount(k, root, []string{root}, checked); err == nil || !strings.Contains(err.Error(), "remove the root's mount point") {
			t.Errorf("a file in the mount point, checked %v: %v", checked, err)
		}
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := Unmount(k, root, nil, false); err != nil {
		t.Errorf("nothing left: %v", err)
	}
}

func TestLostMountIsNamed(t *testing.T) {
	shortPatience(t)
	k := lostMounts{root: filepath.Join(t.TempDir(), DirName)}
	if err := os.Mkdir(k.root, 0o700); err != nil {
		t.Fatal(err)
	}
	err := Unmount(k, k.root, nil, false)
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), k.root+`/dev"`) {
		t.Errorf("unmount = %v; want EBUSY and the lost mount's name", err)
	}
}
