package inroot

// What is mounted, in a mount namespace of the test's own; modes by descriptors;
// extended attributes.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inMounts runs do on a thread with mounts of its own, which end with it.
func inMounts(t *testing.T, do func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := errors.Join(unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		if err == nil {
			err = do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func tmpfs(dir string) error {
	return errors.Join(os.MkdirAll(dir, 0o755), unix.Mount("tmpfs", dir, "tmpfs", 0, ""), os.WriteFile(dir+"/f", []byte("within"), 0o600))
}

// mounts tells how often something is mounted on dir.
func mounts(dir string) int {
	list, _ := os.ReadFile("/proc/thread-self/mountinfo")
	return strings.Count(string(list), " "+dir+" ")
}

func want(what string, got, want error) error {
	if !errors.Is(got, want) {
		return fmt.Errorf("%s = %w; want %w", what, errors.Join(got), want)
	}
	return nil
}

// A root that is a mount of its own has what is mounted below it, is the thread's
// directory when it says so, and is read-only alone.
func TestOpenMount(t *testing.T) {
	dir := box(t, "f")
	inMounts(t, func() error {
		if err := tmpfs(dir + "/sub"); err != nil {
			return err
		}
		before := descriptors()
		root, err := OpenMount(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		for fd, inherited := range descriptors() {
			if _, was := before[fd]; !was && inherited {
				t.Errorf("descriptor %d gets into other programs", fd)
			}
		}
		if n := mounts(dir); n != 1 {
			t.Errorf("%d mounts on the root; want 1", n)
		}
		if data, err := root.ReadFile("sub/f", 100); err != nil || string(data) != "within" {
			t.Errorf("what is mounted below it holds %q, %v", data, err)
		}
		if err := root.Chdir(); err != nil {
			return err
		}
		if cwd, err := unix.Getwd(); err != nil || cwd != dir {
			t.Errorf("the working directory is %s, %v; want %s", cwd, err, dir)
		}
		err = errors.Join(root.SetReadonly(), unix.Chdir("/"))
		node := Node{Mode: unix.S_IFIFO | 0o600}
		return errors.Join(err,
			want("a node on what is read-only", root.MakeNode("new", node), unix.EROFS),
			want("a node below", root.MakeNode("sub/new", node), nil))
	})
	inMounts(t, func() error {
		_, err := OpenMount(dir + "/none")
		return want("a root that is not there", err, unix.ENOENT)
	})
}

// Find gives what a path leads to, and only the root itself is the root.
func TestFind(t *testing.T) {
	dir := box(t, "d/", "d/e/", "d/f", "l -> /d/f")
	root := openDir(t, dir)
	for p, want := range map[string]string{"/": "", ".": "", "d/..": "", "d": "d", "d/e/..": "d", "d/f": "d/f", "l": "d/f", "d/e": "d/e"} {
		place, err := root.Find(p)
		if err != nil {
			t.Errorf("Find(%q) = %v", p, err)
			continue
		}
		var st unix.Stat_t
		now, err := place.Stat()
		if err = errors.Join(err, unix.Stat(filepath.Join(dir, want), &st)); err != nil || now.Ino != st.Ino || place.IsRoot() != (want == "") {
			t.Errorf("Find(%q) is inode %d, the root: %v, %v; want %d", p, now.Ino, place.IsRoot(), err, st.Ino)
		}
		place.Close()
	}
	if _, err := root.Find("none"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("Find of nothing = %v; want ENOENT", err)
	}
}

// Only character devices are opened as such.
func TestOpenDevice(t *testing.T) {
	fd, err := openDir(t, "/dev").OpenDevice("null", unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("opened is device %d, %v", st.Rdev, err)
	}
	at(fd).close()
	dir := box(t, "f", "d/")
	if err := unix.Mkfifo(dir+"/p", 0o600); err != nil {
		t.Fatal(err)
	}
	root := openDir(t, dir)
	for p, want := range map[string]error{"f": unix.ENOTTY, "d": unix.ENOTTY, "p": unix.ENOTTY, "none": unix.ENOENT} {
		if _, err := root.OpenDevice(p, unix.O_RDONLY|unix.O_NONBLOCK); !errors.Is(err, want) {
			t.Errorf("OpenDevice(%q) = %v; want %v", p, err, want)
		}
	}
}

// A file is made where nothing is, and what is there is taken as it is, or not
// taken at all.
func TestMakeFiles(t *testing.T) {
	dir := box(t, "f", "d/", "l -> /d/linked", "dangling -> /f")
	root := openDir(t, dir)
	calls := map[string]func(string) (*Place, error){"MakeFile": root.MakeFile, "NewFile": root.NewFile}
	for _, c := range []struct {
		call, path, made string
		mode             os.FileMode
		want             error
	}{
		{"MakeFile", "new/x/f", "new/x/f", 0o640, nil},
		{"MakeFile", "l", "d/linked", 0o640, nil},
		{"MakeFile", "f", "f", 0o644, nil},
		{"MakeFile", "d", "d", 0o755 | os.ModeDir, nil},
		{"MakeFile", "f/x", "", 0, unix.ENOTDIR},
		{"NewFile", "fresh/y/f", "fresh/y/f", 0o640, nil},
		{"NewFile", "f", "", 0, unix.EEXIST},
		{"NewFile", "dangling", "", 0, unix.EEXIST},
		{"NewFile", "/", "", 0, unix.EISDIR},
	} {
		var place *Place
		var err error
		withUmask(0o026, func() { place, err = calls[c.call](c.path) })
		if c.want != nil {
			if !errors.Is(err, c.want) {
				t.Errorf("%s(%q) = %v; want %v", c.call, c.path, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s(%q) = %v", c.call, c.path, err)
			continue
		}
		var st unix.Stat_t
		now, err := place.Stat()
		fi, err2 := os.Lstat(filepath.Join(dir, c.made))
		if err := errors.Join(err, err2, unix.Lstat(filepath.Join(dir, c.made), &st)); err != nil || now.Ino != st.Ino || fi.Mode() != c.mode {
			t.Errorf("%s(%q) is inode %d, mode %v, %v; want %d, %v", c.call, c.path, now.Ino, fi.Mode(), err, st.Ino, c.mode)
		}
		place.Close()
	}
	if got, err := os.ReadFile(dir + "/f"); err != nil || string(got) != "f" {
		t.Errorf("the file that was there holds %q, %v", got, err)
	}
}

// What is attached is seen at the place, and what is frozen is written by nobody,
// nor what is mounted below it.
func TestPlacesAreMountedOn(t *testing.T) {
	dir := box(t, "place/", "frozen/", "other/", "other/seen")
	inMounts(t, func() error {
		root, err := Open(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		place, err := root.Find("place")
		if err != nil {
			return err
		}
		defer place.Close()
		mnt, err := cloneMount(unix.AT_FDCWD, dir+"/other", 0)
		if err == nil {
			err = place.Attach(mnt)
			at(mnt).close()
		}
		if err != nil {
			return err
		}
		if data, err := root.ReadFile("place/seen", 100); err != nil || string(data) != "other/seen" {
			t.Errorf("what is attached holds %q, %v", data, err)
		}
		if err := tmpfs(dir + "/frozen/sub"); err != nil {
			return err
		}
		frozen, err := root.Find("frozen")
		if err != nil {
			return err
		}
		defer frozen.Close()
		if err := frozen.Freeze(); err != nil {
			return err
		}
		node := Node{Mode: unix.S_IFIFO | 0o600}
		_, err = root.ReadFile("frozen/sub/f", 100)
		return errors.Join(err,
			want("a node in it", root.MakeNode("frozen/new", node), unix.EROFS),
			want("a node below", root.MakeNode("frozen/sub/new", node), unix.EROFS),
			want("a node beside", root.MakeNode("other/new", node), nil))
	})
}

func TestCopyTo(t *testing.T) {
	from, to := box(t, "d/", "d/f"), box(t)
	place, err := openDir(t, from).Find("/")
	if err != nil {
		t.Fatal(err)
	}
	defer place.Close()
	dst := openDir(t, to)
	if err := place.CopyTo(int(dst.fd)); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(to + "/d/f"); err != nil || string(got) != "d/f" {
		t.Errorf("the copy holds %q, %v", got, err)
	}
	if err := place.CopyTo(int(dst.fd)); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a second copy = %v; want EEXIST", err)
	}
}

// The way that a kernel without fchmodat2 needs does the same.
func TestChmodOpened(t *testing.T) {
	dir := box(t, "f", "l -> f")
	d := openTree(t, dir).here()
	if err := d.chmodOpened("f", 0o4751); err != nil {
		t.Error(err)
	}
	for _, call := range []func(string, uint32) error{d.chmodOpened, d.chmod} {
		if err := call("l", 0o777); !errors.Is(err, unix.ELOOP) {
			t.Errorf("the mode of a link: %v; want ELOOP", err)
		}
	}
	if fi, err := os.Stat(dir + "/f"); err != nil || fi.Mode() != 0o751|os.ModeSetuid {
		t.Errorf("the mode is %v, %v", fi.Mode(), err)
	}
}

func TestXattrs(t *testing.T) {
	dir := box(t, "f", "d/")
	tree := openTree(t, dir)
	long := strings.Repeat("x", 3000) // more than the first buffer
	if list, err := tree.ListXattrs("d"); err != nil || len(list) != 0 {
		t.Errorf("without any: %q, %v", list, err)
	}
	if err := errors.Join(tree.SetXattr("f", "user.a", []byte(long)), tree.SetXattr("f", "user.b", nil)); err != nil {
		t.Fatal(err)
	}
	if list, err := tree.ListXattrs("f"); err != nil || len(list) != 2 {
		t.Errorf("the list is %q, %v; want two", list, err)
	}
	if got, err := tree.GetXattr("f", "user.a"); err != nil || string(got) != long {
		t.Errorf("the value has %d bytes, %v", len(got), err)
	}
	if err := tree.RemoveXattr("f", "user.a"); err != nil {
		t.Error(err)
	}
	if list, err := tree.ListXattrs("f"); err != nil || len(list) != 1 || list[0] != "user.b" {
		t.Errorf("the list is %q, %v; want user.b", list, err)
	}
	if _, err := tree.ListXattrs("none"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("of nothing: %v; want ENOENT", err)
	}
}

// Two files of one number on two file systems are two files.
func TestLinkToAnotherFileSystem(t *testing.T) {
	dir := box(t)
	inMounts(t, func() error {
		var one, two unix.Stat_t
		err := errors.Join(tmpfs(dir+"/one"), tmpfs(dir+"/two"), unix.Stat(dir+"/one/f", &one), unix.Stat(dir+"/two/f", &two))
		if err != nil || one.Ino != two.Ino {
			return fmt.Errorf("inodes %d and %d: %w", one.Ino, two.Ino, errors.Join(err))
		}
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		tree, err := OpenTree(f)
		if err != nil {
			return err
		}
		return errors.Join(want("a link", tree.Link([]string{"one", "f"}, []string{"two"}, "f"), unix.EXDEV), tree.Close())
	})
}

const terminalEnv = "INROOT_TERMINAL"

// What is read in a root does not become the terminal of a session that has none.
func TestNoTerminalIsTaken(t *testing.T) {
	if n := os.Getenv(terminalEnv); n != "" {
		root, err := Open("/dev/pts")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := root.ReadFile(n, 1); !errors.Is(err, errNotRegular) {
			t.Errorf("read a terminal = %v; want %v", err, errNotRegular)
		}
		if _, err := os.Open("/dev/tty"); !errors.Is(err, unix.ENXIO) {
			t.Errorf("open the session's terminal = %v; want ENXIO", err)
		}
		return
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestNoTerminalIsTaken$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", terminalEnv, n))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What can't be given back or changed on a file system that has become read-only
// is said, and a directory that could not be entered is not the current one.
func TestReadOnlyTree(t *testing.T) {
	dir := box(t)
	inMounts(t, func() error {
		if err := errors.Join(tmpfs(dir), os.MkdirAll(dir+"/d", 0o500), os.MkdirAll(dir+"/other", 0o755)); err != nil {
			return err
		}
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		tree, err := OpenTree(f)
		if err != nil {
			return err
		}
		tree.loosen = true
		readonly := func(flags uintptr) error {
			return unix.Mount("", dir, "", unix.MS_REMOUNT|flags, "")
		}
		err = errors.Join(tree.Push("d"), tree.Mkdir("new", 0o700), readonly(unix.MS_RDONLY))
		left := tree.Enter([]string{"other"}, false)
		for _, said := range []string{"set time of directory", "set mode of directory"} {
			if left == nil || !strings.Contains(left.Error(), said) {
				t.Errorf("leave = %v; want %q", left, said)
			}
		}
		err = errors.Join(err, want("enter", left, unix.EROFS),
			want("remove a file", tree.Remove("f"), unix.EROFS),
			want("remove a directory", tree.Remove("other"), unix.EROFS),
			readonly(0), os.Chmod(dir+"/d", 0o500), readonly(unix.MS_RDONLY),
			want("enter one to be opened up", tree.Push("d"), unix.EROFS))
		if tree.Depth() != 1 {
			t.Errorf("%d deep after an error; want 1", tree.Depth())
		}
		root, err2 := Open(dir)
		if err2 != nil {
			return err2
		}
		defer root.Close()
		return errors.Join(err, want("a node", root.MakeNode("none", Node{Mode: unix.S_IFIFO | 0o600}), unix.EROFS), tree.Close())
	})
}

// A child's step opens what it should, for itself.
func TestOpenStep(t *testing.T) {
	var fd [1]int32
	s, err := OpenStep("open it", "/some/where", unix.O_WRONLY|unix.O_NOCTTY, &fd)
	if err != nil || s.Nr != unix.SYS_OPENAT || s.Args[2] != unix.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC || s.Store == 0 {
		t.Errorf("the step is %+v, %v", s, err)
	}
	if _, err := OpenStep("open it", "a\x00b", 0, &fd); err == nil {
		t.Error("a NUL in a path")
	}
}

const ownerEnv = "INROOT_OWNER"

// Who is not root enters own directories whose mode forbids it, and leaves them
// with that mode, whatever comes.
func TestLoosenedForTheOwner(t *testing.T) {
	if dir := os.Getenv(ownerEnv); dir != "" {
		loosenedChild(t, dir)
		syncedChild(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("/tmp", "owner-") // nobody must get there
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestLoosenedForTheOwner$", "-test.v")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), ownerEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// syncedChild waits for own files whose mode forbids it, which have that mode again
// before, and lets go of each.
func syncedChild(t *testing.T, dir string) {
	dir += "/sync"
	for name, mode := range map[string]os.FileMode{"a": 0o044, "b": 0o644, "c": 0o044, "d": 0o644} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(dir+"/"+name, nil, 0o600), os.Chmod(dir+"/"+name, mode)); err != nil {
			t.Fatal(err)
		}
	}
	var fds []int
	see := func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&0o7777 == 0o444 {
			t.Errorf("the mode is %o, %v", st.Mode, err)
		}
		fds = append(fds, fd)
		return nil
	}
	tree := openTree(t, dir)
	if err := tree.syncHere(see); err != nil || len(fds) != 5 || len(slices.Compact(slices.Clone(fds[:4]))) != 1 {
		t.Errorf("waited for %v, %v; want four files by one descriptor, and the directory", fds, err)
	}
	tree.loosen = false
	if err := tree.syncHere(see); !errors.Is(err, unix.EACCES) {
		t.Errorf("without leave to open it up: %v; want EACCES", err)
	}
}

func loosenedChild(t *testing.T, dir string) {
	d := dir + "/d"
	mode := func(want os.FileMode) {
		t.Helper()
		if fi, err := os.Stat(d); err != nil || fi.Mode().Perm() != want {
			t.Errorf("the mode is %v, %v; want %o", fi.Mode(), err, want)
		}
	}
	if err := errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, 0o055)); err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, dir)
	if err := tree.Push("d"); err != nil {
		t.Fatal(err)
	}
	mode(0o755)
	if err := errors.Join(tree.Mkdir("within", 0o700), tree.Leave(1)); err != nil {
		t.Error(err)
	}
	mode(0o055)
	tree.loosen = false
	if err := tree.Push("d"); !errors.Is(err, unix.EACCES) {
		t.Errorf("without leave to open it up: %v; want EACCES", err)
	}
	mode(0o055)
	// What fails for another reason changes nothing.
	tree.loosen = true
	if err := os.Chmod(d, 0o500); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err := tree.Push("d")
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("without a descriptor: %v; want EMFILE", err)
	}
	mode(0o500)
}
