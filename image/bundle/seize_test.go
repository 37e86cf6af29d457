package bundle

// The directory of a bundle: whose it is, what is in it, and what becomes of it.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode() & modeBits
}

// opened counts the open descriptors, and gives the first that is free.
func opened(t *testing.T) (n, free int) {
	t.Helper()
	free = -1
	for fd := range 256 {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		switch {
		case err == nil:
			n++
		case free < 0:
			free = fd
		}
	}
	return n, free
}

// leftOpen fails the test if the descriptors that are open are not n.
func leftOpen(t *testing.T, n int, what string) {
	t.Helper()
	if is, _ := opened(t); is != n {
		t.Errorf("%s: %d descriptors are open, %d were", what, is, n)
	}
}

// dirWith makes a directory with empty files.
func dirWith(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A directory has all of its mode again, and is closed to others meanwhile.
func TestModeComesBack(t *testing.T) {
	for _, mode := range []fs.FileMode{0o755, 0o700 | fs.ModeSticky, 0o750 | fs.ModeSetgid, 0o711 | fs.ModeSetuid, 0o777 | fs.ModeSticky | fs.ModeSetgid | fs.ModeSetuid} {
		for _, failed := range []bool{false, true} {
			dir := t.TempDir()
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			n, _ := opened(t)
			b, err := newBundle(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := modeOf(t, dir); got.Perm() != 0o700 || mode.Perm() == 0o700 && got != mode {
				t.Errorf("%v: while it is filled the mode is %v", mode, got)
			}
			if err := b.close(failed); err != nil {
				t.Error(err)
			}
			leftOpen(t, n, dir)
			if got := modeOf(t, dir); got != mode {
				t.Errorf("failed %v: the mode %v is %v now", failed, mode, got)
			}
		}
	}
}

// Whatever the umask, others can pass through the rootfs, and not through the bundle.
func TestModeOfNewBundle(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	path := filepath.Join(t.TempDir(), "b")
	b, err := newBundle(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.close(false); err != nil {
		t.Error(err)
	}
	if is, root := modeOf(t, path), modeOf(t, path+"/rootfs"); is != 0o700 || root != 0o755 {
		t.Errorf("the bundle has mode %v, its rootfs %v", is, root)
	}
}

// What is not empty is refused before anything is done to it, and what somebody
// left there in the meantime is found.
func TestNotEmpty(t *testing.T) {
	many := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	for _, c := range []struct {
		want  string
		names []string
	}{
		{"is not empty: name a new directory", []string{"x"}},
		{"is not empty: name a new directory", []string{"config.json"}},
		{"is not empty: name a new directory", slices.Concat(many, []string{"rootfs", "config.json"})},
		{"holds a rootfs without config.json, as an interrupted unpack leaves it", []string{"rootfs"}},
		{"holds a rootfs without config.json, as an interrupted unpack leaves it", slices.Concat(many, []string{"rootfs"})},
	} {
		dir := dirWith(t, c.names...)
		var before, after unix.Stat_t
		if err := errors.Join(os.Chmod(dir, 0o711), unix.Lstat(dir, &before)); err != nil {
			t.Fatal(err)
		}
		n, _ := opened(t)
		if _, err := openBundle(dir, false); !matches(err, c.want) {
			t.Errorf("%q: error is %v; want %q", c.names, err, c.want)
		}
		if err := unix.Lstat(dir, &after); err != nil || before.Ctim != after.Ctim {
			t.Errorf("%q: the directory was changed at %v; before at %v, %v", c.names, after.Ctim, before.Ctim, err)
		}
		leftOpen(t, n, strings.Join(c.names, " "))
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	b, err := openBundle(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/left", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.shut(); !matches(err, "is not empty: name a new directory") || modeOf(t, dir) != 0o711 {
		t.Errorf("with a file left meanwhile: %v, the mode is %v", err, modeOf(t, dir))
	}
	if err := b.close(false); err != nil {
		t.Error(err)
	}
	there := t.TempDir()
	if _, err := openBundle(there, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a fresh one that is there: error is %v", err)
	}
	fresh := filepath.Join(there, "b")
	if b, err = openBundle(fresh, true); err != nil {
		t.Fatal(err)
	}
	if err := b.close(true); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a failure the bundle is there: %v", err)
	}
}

// What can't be opened is not left behind.
func TestNoDescriptorLeft(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	above := t.TempDir()
	if f, err := os.Open(os.DevNull); err != nil || f.Close() != nil { // what waits for files has its own descriptors
		t.Fatal(err)
	}
	_, free := opened(t)
	less := old
	less.Cur = uint64(free) + 1 // one more, for the directory above
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	_, err := openBundle(filepath.Join(above, "b"), false)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("error is %v; want one about descriptors", err)
	}
	if list, err := os.ReadDir(above); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

// A link, or a FIFO, that somebody put in the place of the directory is not entered.
func TestOpenNothingElse(t *testing.T) {
	above := t.TempDir()
	if err := errors.Join(os.Mkdir(above+"/d", 0o755), os.Symlink("d", above+"/link"), unix.Mkfifo(above+"/fifo", 0o644), os.WriteFile(above+"/f", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"d": "", "link": "was replaced while it was used", "fifo": "/fifo: openat fifo/.: not a directory", "f": "not a directory", "none": "no such file"} {
		n, _ := opened(t)
		path := filepath.Join(above, name)
		b := &bundle{path: path}
		var err error
		if b.parent, b.name, err = openParent(filepath.Join(above, "x")); err != nil {
			t.Fatal(err)
		}
		b.name = name
		if err := b.open(); !matches(err, want) {
			t.Errorf("%s: error is %v; want %q", name, err, want)
		}
		if (b.dir != nil) != (want == "") {
			t.Errorf("%s is open: %v", name, b.dir != nil)
		}
		if b.dir != nil {
			b.mode = 0o755
			err = b.close(false)
		} else {
			err = b.parent.Close()
		}
		if err != nil {
			t.Error(err)
		}
		leftOpen(t, n, name)
	}
	parent, name, err := openParent("/")
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	if name != "." || parent.Name() != "/" {
		t.Errorf("/ is %s in %s", name, parent.Name())
	}
}

// One's own link is followed, and another user's directory is not taken.
func TestLinkAndOwner(t *testing.T) {
	above := t.TempDir()
	if err := errors.Join(os.Mkdir(above+"/d", 0o755), os.Symlink("d", above+"/link"), os.Symlink("none", above+"/nowhere"), os.Mkdir(above+"/theirs", 0o755), os.Chown(above+"/theirs", 7, 7)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"link": "", "nowhere": "no such file", "theirs": "belongs to another user"} {
		n, _ := opened(t)
		b, err := openBundle(filepath.Join(above, name), false)
		if !matches(err, want) {
			t.Errorf("%s: error is %v; want %q", name, err, want)
		}
		if err == nil {
			if b.name != "d" {
				t.Errorf("%s: the bundle is %s", name, b.name)
			}
			if err := b.close(true); err != nil {
				t.Error(err)
			}
		}
		leftOpen(t, n, name)
	}
	if list, err := os.ReadDir(above); err != nil || len(list) != 4 {
		t.Errorf("%v, %v is there", list, err)
	}
}

// Links are followed if they are the caller's or root's.
func TestIsOurs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		owner, euid int
		ours        bool
	}{{0, 0, true}, {0, 5, true}, {5, 5, true}, {5, 0, false}, {5, 6, false}} {
		if err := os.Chown(file, c.owner, 0); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Lstat(file)
		if err != nil {
			t.Fatal(err)
		}
		if isOurs(fi, c.euid) != c.ours {
			t.Errorf("a file of %d is that of %d: %v", c.owner, c.euid, !c.ours)
		}
	}
}

// Release removes what there is, and says what it can't.
func TestRemoveFiles(t *testing.T) {
	above := dirWith(t, "f")
	bundle := filepath.Join(above, "b")
	link := filepath.Join(above, "link")
	if err := errors.Join(os.Mkdir(bundle, 0o700), os.WriteFile(bundle+"/config.json", nil, 0o600), os.Symlink(bundle, link), os.Lchown(link, 7, 7)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{above + "/none/b", ""}, {above + "/none", ""}, {above + "/f", "not a directory"}, {link, "another user's link"},
	} {
		n, _ := opened(t)
		if err := removeFiles(c.path, configName, "."); !matches(err, c.want) {
			t.Errorf("%s: error is %v; want %q", c.path, err, c.want)
		}
		leftOpen(t, n, c.path)
	}
	if err := os.MkdirAll(bundle+"/image.json/x", 0o700); err != nil {
		t.Fatal(err)
	}
	n, _ := opened(t)
	if err := removeFiles(bundle, "none", configName, originName, "."); !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		t.Errorf("with a directory in a file's place: %v", err)
	}
	if list, err := os.ReadDir(bundle); err != nil || len(list) != 1 {
		t.Errorf("in the bundle is %v, %v; want what could not be removed", list, err)
	}
	if err := os.RemoveAll(bundle + "/image.json"); err != nil {
		t.Fatal(err)
	}
	if err := removeFiles(bundle, originName, "."); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(bundle); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the bundle is there: %v", err)
	}
	leftOpen(t, n, bundle)
}

// A tree of full depth is removed, as it was made: below the bundle.
func TestRemoveDeep(t *testing.T) {
	bundle := filepath.Join(t.TempDir(), "b")
	b, err := newBundle(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for dir, i := b.dir, 0; ; i++ {
		name := "rootfs"
		if i > 0 {
			name = "d"
			if err := dir.Mkdir(name, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		below, err := dir.OpenRoot(name)
		if i > 0 {
			err = errors.Join(err, dir.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		if dir = below; i == 512 {
			err = dir.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if i == 512 {
			break
		}
	}
	if err := b.close(true); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(bundle); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the bundle is there: %v", err)
	}
}
