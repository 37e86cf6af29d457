package rootfs

// A root that is built and entered: by a thread with a mount namespace of its
// own, with a child that waits. What is in it is looked at from that thread.

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"golang.org/x/sys/unix"
)

// box is a bundle, and a root of it.
type box struct {
	t      *testing.T
	bundle string
	o      Options
	plan   *oci.Plan
	proc   *os.Root // the host's /proc
	child  int      // waits in the root; 0 = none
	end    int      // it ends when this is closed
	root   *Root
	slave  int
	procID uint64 // of the child's proc mount
}

// inBox makes files in a bundle, "a/" a directory, "a -> b" a link, and calls f
// on a thread whose mounts nobody else sees.
func inBox(t *testing.T, files []string, f func(b *box)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	b := &box{t: t, bundle: t.TempDir(), plan: &oci.Plan{Process: &oci.Process{Cwd: "/"}}, end: -1}
	b.o = Options{Plan: b.plan, Bundle: b.bundle, Source: filepath.Join(b.bundle, "rootfs"), Recorded: func() []string { return nil }}
	for _, name := range append([]string{"rootfs/"}, files...) {
		name, target, link := strings.Cut(name, " -> ")
		p := filepath.Join(b.bundle, name)
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		switch {
		case err != nil:
		case link:
			err = os.Symlink(target, p)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		default:
			err = os.WriteFile(p, []byte(name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	proc, err := os.OpenRoot("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proc.Close() }()
	b.proc = proc
	err = process.OnThread(func() error {
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
			return err
		}
		before := b.fds(os.Getpid())
		defer func() {
			b.close()
			if now := b.fds(os.Getpid()); len(now) > len(before) {
				t.Errorf("descriptors %v are left; there were %v", now, before)
			}
		}()
		f(b)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// close ends the child.
func (b *box) close() {
	if b.end >= 0 {
		_ = unix.Close(b.end)
	}
	if b.child > 0 {
		if _, err := unix.Wait4(b.child, nil, 0, nil); err != nil {
			b.t.Error(err)
		}
	}
	if b.root != nil {
		b.root.Close()
		if b.root.ro != nil || b.root.term != nil {
			b.t.Error("what is closed can be closed again")
		}
	}
}

// build does what a create does, as far as the root is concerned.
func (b *box) build() (err error) {
	if b.root, err = New(b.o); err != nil {
		return err
	}
	if err := b.root.Builder.Attach(); err != nil {
		return err
	}
	link, err := process.NewLink()
	if err != nil {
		return err
	}
	defer link.Close()
	var hold [2]int
	if err := unix.Pipe2(hold[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer func() { _ = unix.Close(hold[0]) }()
	b.end = hold[1]
	steps := []stage.Step{stage.Sys("session", unix.SYS_SETSID)}
	ready, err := b.root.ReadySteps(link, len(steps))
	if err != nil {
		return err
	}
	var home process.Home
	steps = append(append(steps, ready...), b.root.GoSteps(link, &home)...)
	if b.plan.Process.Terminal {
		steps = append(steps, b.root.TerminalSteps()...)
	}
	steps = append(steps, b.root.CreatedStep(link, len(steps)), stage.Await("wait", hold[0]))
	prog := &stage.Program{Fork: stage.Fork{Flags: unix.CLONE_NEWPID}, Steps: steps, Inherit: 3, Report: [2]int{link.Child}}
	if b.child, err = prog.Start(); err != nil {
		return err
	}
	link.CloseChild()
	procFD, err := link.Receive(prog.Names())
	if err != nil {
		return err
	}
	if has := slices.ContainsFunc(b.plan.Mounts, func(m oci.Mount) bool { return m.Type == oci.MountProc }); has != (procFD >= 0) {
		b.t.Errorf("the child has made a proc mount: %d; want one: %v", procFD, has)
	}
	b.procID = mountID(procFD, "")
	if err := b.root.Builder.Populate(procFD); err != nil {
		return err
	}
	if b.slave, err = b.root.Builder.Finish(); err != nil {
		return err
	}
	if err := link.SendGo(b.slave, &home); err != nil {
		return err
	}
	_, err = link.Receive(prog.Names())
	return err
}

// made builds the root, and tells whether it is there.
func (b *box) made() bool {
	b.t.Helper()
	if err := b.build(); err != nil {
		b.t.Error(err)
		return false
	}
	return true
}

func (b *box) want(p, content string) {
	b.t.Helper()
	if got, err := os.ReadFile(p); err != nil || string(got) != content {
		b.t.Errorf("%s = %q, %v; want %q", p, got, err, content)
	}
}

func (b *box) wantLink(p, target string) {
	b.t.Helper()
	if got, err := os.Readlink(p); err != nil || got != target {
		b.t.Errorf("%s -> %s, %v; want %s", p, got, err, target)
	}
}

func (b *box) wantMode(p string, mode fs.FileMode) {
	b.t.Helper()
	if fi, err := os.Lstat(p); err != nil || fi.Mode() != mode {
		b.t.Errorf("%s: %v, %v; want %v", p, fi, err, mode)
	}
}

func (b *box) wantWrite(p string, want error) {
	b.t.Helper()
	if err := os.WriteFile(p, nil, 0o600); !errors.Is(err, want) {
		b.t.Errorf("write %s = %v; want %v", p, err, want)
	}
}

// mountFlags are those by which one mount restricts what another does not.
const mountFlags = unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC

func (b *box) wantFlags(p string, want int64) {
	b.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(p, &st); err != nil || st.Flags&mountFlags != want {
		b.t.Errorf("%s has the flags %#x, %v; want %#x", p, st.Flags&mountFlags, err, want)
	}
}

func (b *box) wantDevice(p string, dev uint64) {
	b.t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != dev {
		b.t.Errorf("%s: mode %#o, device %#x, %v; want %#x", p, st.Mode, st.Rdev, err, dev)
	}
}

// mounts lists what the thread sees: mount point, kind, source, options.
func (b *box) mounts() (list [][4]string) {
	b.t.Helper()
	f, err := b.proc.Open(fmt.Sprintf("self/task/%d/mountinfo", unix.Gettid()))
	if err != nil {
		b.t.Error(err)
		return nil
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		i := slices.Index(fields, "-")
		list = append(list, [4]string{fields[4], fields[i+1], fields[i+2], fields[i+3]})
	}
	return list
}

func (b *box) mountOn(p string) (m [4]string) {
	b.t.Helper()
	list := slices.DeleteFunc(b.mounts(), func(m [4]string) bool { return m[0] != p })
	if len(list) != 1 {
		b.t.Errorf("%d mounts on %s: %v", len(list), p, list)
		return m
	}
	return list[0]
}

// wantHost asks whether the host's root is in the mount namespace still, and if
// so, for the container's upon it.
func (b *box) wantHost(host int, stays bool) {
	b.t.Helper()
	fd, err := cloneTree(host, "", unix.AT_EMPTY_PATH)
	if err == nil {
		_ = unix.Close(fd)
	}
	if (err == nil) != stays {
		b.t.Errorf("the host's root: %v; want it in the namespace: %v", err, stays)
	}
	if !stays {
		return
	}
	var above, root unix.Stat_t
	if err := errors.Join(unix.Fstatat(host, "..", &above, 0), unix.Stat("/", &root)); err != nil || above.Dev != root.Dev || above.Ino != root.Ino {
		b.t.Errorf("%v; want the container's root to be mounted upon the host's", err)
	}
}

func mountID(dir int, path string) uint64 {
	var st unix.Statx_t
	if err := unix.Statx(dir, path, unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return 0
	}
	return st.Mnt_id
}

// fds lists what a process has open.
func (b *box) fds(pid int) (list []string) {
	b.t.Helper()
	dir, err := b.proc.Open(fmt.Sprintf("%d/fd", pid))
	if err == nil {
		list, err = dir.Readdirnames(-1)
		_ = dir.Close()
	}
	if err != nil {
		b.t.Error(err)
	}
	return list
}

var null = unix.Mkdev(1, 3)

// nullDevice is made by number, so that a test need not ask the host.
var nullDevice = oci.Device{Field: "default", Path: "/dev/null", Default: true, Type: "c", Major: 1, Minor: 3}

func TestRoot(t *testing.T) {
	for _, noPivot := range []bool{false, true} {
		inBox(t, []string{"rootfs/etc/hosts", "rootfs/secret/key", "rootfs/hidden/", "rootfs/frozen/f", "vol/v", "hosts"}, func(b *box) {
			b.o.NoPivot = noPivot
			b.plan.Mounts = []oci.Mount{
				{Field: "mounts[0]", Destination: "/proc", Type: oci.MountProc, Source: "some proc", Flags: oci.MountFlags{NoSuid: true, NoExec: true}},
				{Field: "mounts[1]", Destination: "/dev", Type: oci.MountTmpfs, Flags: oci.MountFlags{NoSuid: true}, Tmpfs: oci.Tmpfs{Size: new(uint64(1 << 16)), Mode: 0o711, HasMode: true}},
				{Field: "mounts[2]", Destination: "/dev/pts", Type: oci.MountDevpts, Devpts: oci.Devpts{Mode: 0o640, GID: 5, HasGID: true}},
				{Field: "mounts[3]", Destination: "/data", Type: oci.MountBind, Source: "vol", Flags: oci.MountFlags{Readonly: true, NoExec: true}},
				{Field: "mounts[4]", Destination: "/etc/hosts", Type: oci.MountBind, Source: filepath.Join(b.bundle, "hosts")},
				{Field: "mounts[5]", Destination: "/ro", Type: oci.MountTmpfs, Flags: oci.MountFlags{Readonly: true}},
				{Field: "mounts[6]", Destination: "/ro/sub", Type: oci.MountTmpfs},
				{Field: "mounts[7]", Destination: "/proc2", Type: oci.MountProc, Flags: oci.MountFlags{Readonly: true}},
			}
			b.plan.OrdinaryDirs = []string{"/sys"}
			b.plan.Devices = []oci.Device{nullDevice, {Path: "/dev/ptmx", Default: true, Type: "c", Major: 5, Minor: 2}, {Path: "/dev/nope", Default: true, Type: "c", Major: -1, Minor: -1}}
			b.plan.MaskedPaths = []string{"/secret", "/etc/hosts", "/hidden", "/nowhere", "/etc/hosts/below"}
			b.plan.ReadonlyPaths = []string{"/frozen", "/nowhere", "/etc/hosts/below"}
			b.plan.Process.Terminal, b.plan.Process.Cwd = true, "/work/here"
			host, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = unix.Close(host) }()
			if !b.made() {
				return
			}
			b.wantHost(host, noPivot)
			if got := b.mountOn("/proc"); got[1] != "proc" || got[2] != `some\040proc` {
				t.Errorf("/proc is %v", got)
			}
			b.wantFlags("/proc", unix.ST_NOSUID|unix.ST_NOEXEC)
			b.wantFlags("/proc2", unix.ST_RDONLY)
			if id := mountID(unix.AT_FDCWD, "/proc"); id != b.procID || id == 0 {
				t.Errorf("the mount %d is on /proc; want the child's, %d", id, b.procID)
			}
			b.wantLink("/proc/1/root", "/") // the child's, which is first there
			b.wantMode("/dev", fs.ModeDir|0o711)
			b.wantFlags("/dev", unix.ST_NOSUID)
			if got := b.mountOn("/dev"); got[1] != "tmpfs" || !strings.Contains(got[3], "size=64k") {
				t.Errorf("/dev is %v", got)
			}
			if got := b.mountOn("/dev/pts"); got[1] != "devpts" || !strings.Contains(got[3], "gid=5,mode=640,ptmxmode=666") {
				t.Errorf("/dev/pts is %v", got)
			}
			b.wantLink("/dev/ptmx", "pts/ptmx")
			b.wantLink("/dev/stdin", "/proc/self/fd/0")
			b.wantDevice("/dev/null", null)
			b.want("/data/v", "vol/v")
			b.wantFlags("/data", unix.ST_RDONLY|unix.ST_NOEXEC)
			b.wantFlags("/ro", unix.ST_RDONLY)
			b.wantWrite("/ro/sub/new", nil)
			b.wantMode("/work/here", fs.ModeDir|0o755)
			b.want("/frozen/f", "rootfs/frozen/f")
			b.wantWrite("/frozen/new", unix.EROFS)
			for _, p := range []string{"/secret", "/hidden"} {
				b.wantFlags(p, mountFlags)
				if left, err := os.ReadDir(p); err != nil || len(left) > 0 {
					t.Errorf("%s shows %v, %v", p, left, err)
				}
			}
			b.wantDevice("/etc/hosts", null)
			b.wantWrite("/new", nil)
			var slave, console unix.Stat_t
			if err := errors.Join(unix.Fstat(b.slave, &slave), unix.Stat("/dev/console", &console)); err != nil || slave.Rdev != console.Rdev {
				t.Errorf("/dev/console is %#x, %v; want the terminal, %#x", console.Rdev, err, slave.Rdev)
			}
			made := b.root.term.Master
			master, name := b.root.Terminal(-1)
			if name != "/dev/pts/0" || master != made || b.root.term != nil {
				t.Errorf("the terminal is %d, %s, and the root's still: %v", master, name, b.root.term)
			}
			if err := unix.Fstat(b.slave, &slave); err == nil {
				t.Error("the slave is open still")
			}
			_ = unix.Close(master)
			b.mountOn("/") // one, that is
			for _, link := range []string{fmt.Sprintf("self/task/%d/cwd", unix.Gettid()), fmt.Sprintf("self/task/%d/root", unix.Gettid()), fmt.Sprintf("%d/root", b.child)} {
				if to, err := b.proc.Readlink(link); err != nil || to != "/" {
					t.Errorf("%s leads to %s, %v; want the new root", link, to, err)
				}
			}
			if fds := b.fds(b.child); len(fds) != 6 { // 0, 1, 2, the terminal once more, the link, what it waits for
				t.Errorf("the child has descriptors %v", fds)
			}
		})
	}
}

func TestReadonlyRoot(t *testing.T) {
	inBox(t, []string{"rootfs/f"}, func(b *box) {
		b.plan.Root.Readonly = true
		b.plan.Devices = []oci.Device{nullDevice}
		if !b.made() {
			return
		}
		b.want("/f", "rootfs/f")
		b.wantDevice("/dev/null", null)
		b.wantWrite("/new", unix.EROFS)
		if master, name := b.root.Terminal(7); master != 7 || name != "" || b.slave != -1 {
			t.Errorf("a terminal that nobody wants: %d, %d, %s", b.slave, master, name)
		}
		if list := b.mounts(); len(list) != 1 {
			t.Errorf("mounts: %v; want the root alone", list)
		}
		if fds := b.fds(b.child); len(fds) != 5 {
			t.Errorf("the child has descriptors %v", fds)
		}
	})
}

func TestTmpfsFromTheDirectory(t *testing.T) {
	inBox(t, []string{"rootfs/a/f", "rootfs/b/f", "rootfs/c/f"}, func(b *box) {
		for _, dir := range []string{"a", "b", "c"} {
			if err := os.Chmod(filepath.Join(b.o.Source, dir), 0o705); err != nil {
				t.Error(err)
			}
		}
		b.plan.Mounts = []oci.Mount{
			{Field: "mounts[0]", Destination: "/a", Type: oci.MountTmpfs, Tmpfs: oci.Tmpfs{CopyUp: true}},
			{Field: "mounts[1]", Destination: "/b", Type: oci.MountTmpfs, Tmpfs: oci.Tmpfs{CopyUp: true, Mode: 0o700, HasMode: true}, Flags: oci.MountFlags{Readonly: true}},
			{Field: "mounts[2]", Destination: "/c", Type: oci.MountTmpfs},
		}
		if !b.made() {
			return
		}
		b.want("/a/f", "rootfs/a/f")
		b.want("/b/f", "rootfs/b/f")
		b.wantMode("/a", fs.ModeDir|0o705)
		b.wantMode("/b", fs.ModeDir|0o700)
		b.wantMode("/c", fs.ModeDir|fs.ModeSticky|0o777)
		b.wantFlags("/a", 0)
		b.wantFlags("/b", unix.ST_RDONLY)
		if left, err := os.ReadDir("/c"); err != nil || len(left) > 0 {
			t.Errorf("/c shows %v, %v", left, err)
		}
	})
}

// A recursive bind mount brings what is mounted below, with flags of its own.
func TestBindsOfTrees(t *testing.T) {
	inBox(t, []string{"vol/sub/"}, func(b *box) {
		if err := unix.Mount("tmpfs", filepath.Join(b.bundle, "vol/sub"), "tmpfs", 0, ""); err != nil {
			t.Error(err)
			return
		}
		b.wantWrite(filepath.Join(b.bundle, "vol/sub/f"), nil)
		b.plan.Mounts = []oci.Mount{
			{Field: "mounts[0]", Destination: "/one", Type: oci.MountBind, Source: "vol", Below: oci.MountFlags{NoExec: true}},
			{Field: "mounts[1]", Destination: "/tree", Type: oci.MountBind, Source: "vol", Recursive: true, Flags: oci.MountFlags{NoSuid: true}, Below: oci.MountFlags{NoExec: true}},
			{Field: "mounts[2]", Destination: "/dev", Type: oci.MountBind, Source: "vol", Flags: oci.MountFlags{Readonly: true}},
		}
		if !b.made() {
			return
		}
		b.wantFlags("/one", 0)
		b.wantFlags("/dev", unix.ST_RDONLY) // links that can't be made there are missing
		if _, err := os.Stat("/one/sub/f"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("one mount has brought another: %v", err)
		}
		b.want("/tree/sub/f", "")
		b.wantFlags("/tree", unix.ST_NOSUID|unix.ST_NOEXEC)
		b.wantFlags("/tree/sub", unix.ST_NOEXEC)
	})
}

// Where the kernel lets nobody make a node, the host's is mounted.
func TestDevicesWithoutMknod(t *testing.T) {
	inBox(t, nil, func(b *box) {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		caps[0].Effective &^= 1 << unix.CAP_MKNOD
		if err := unix.Capset(&header, &caps[0]); err != nil { // of this thread
			t.Error(err)
			return
		}
		b.plan.Devices = []oci.Device{nullDevice}
		if !b.made() {
			return
		}
		b.wantDevice("/dev/null", null)
		b.mountOn("/dev/null")
	})
}

// The group of a devpts may be left out where no other group than one is known,
// and only there.
func TestGroupOfDevpts(t *testing.T) {
	defer func() { groupsSettable = process.GroupsSettable }()
	for _, c := range []struct {
		gid      uint32
		settable bool
		want     string // in its options; empty = refused
	}{
		{5, true, "gid=5,"},
		{5, false, "gid=5,"},
		{math.MaxUint32, true, ""},
		{math.MaxUint32, false, "rw,mode=600"},
	} {
		inBox(t, nil, func(b *box) {
			groupsSettable = func() bool { return c.settable }
			b.plan.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/dev/pts", Type: oci.MountDevpts, Devpts: oci.Devpts{GID: c.gid, HasGID: true}}}
			err := b.build()
			if c.want == "" {
				if !errors.Is(err, unix.EINVAL) {
					t.Errorf("%+v: %v; want EINVAL", c, err)
				}
			} else if err != nil || !strings.Contains(b.mountOn("/dev/pts")[3], c.want) {
				t.Errorf("%+v: %v, %v", c, err, b.mounts())
			}
		})
	}
}

func TestImpossibleRootsSayTheWayOut(t *testing.T) {
	bind := func(source, dest string) []oci.Mount {
		return []oci.Mount{{Field: "mounts[0]", Destination: dest, Type: oci.MountBind, Source: source}}
	}
	for _, c := range []struct {
		name string
		set  func(p *oci.Plan)
		want string
	}{
		{"a directory on a file", func(p *oci.Plan) { p.Mounts = bind("vol", "/file") }, "the source vol is a directory, and /file in the root is a file"},
		{"a file on a directory", func(p *oci.Plan) { p.Mounts = bind("hosts", "/dir") }, "the source hosts is a file, and /dir in the root is a directory"},
		{"a file below a file", func(p *oci.Plan) { p.Mounts = bind("hosts", "/file/x") }, "mount mounts[0] (bind on /file/x)"},
		{"no source", func(p *oci.Plan) { p.Mounts = bind("nope", "/dir") }, "open source nope"},
		{"a kind of mount", func(p *oci.Plan) { p.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/x", Type: "sysfs"}} }, `type "sysfs" is not known`},
		{"a link for /proc", func(p *oci.Plan) {
			p.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/link", Type: oci.MountProc}}
		}, "must be an ordinary directory"},
		{"a link for /sys", func(p *oci.Plan) { p.OrdinaryDirs = []string{"/link"} }, "must be an ordinary directory"},
		{"the root masked", func(p *oci.Plan) { p.MaskedPaths = []string{"/up"} }, "linux.maskedPaths /up: it leads to the root itself"},
		{"the root frozen", func(p *oci.Plan) { p.ReadonlyPaths = []string{"/up"} }, "linux.readonlyPaths /up: it leads to the root itself"},
		{"a loop masked", func(p *oci.Plan) { p.MaskedPaths = []string{"/loop"} }, "linux.maskedPaths /loop"},
		{"a loop frozen", func(p *oci.Plan) { p.ReadonlyPaths = []string{"/loop"} }, "linux.readonlyPaths /loop"},
		{"no such device", func(p *oci.Plan) {
			p.Devices = []oci.Device{{Field: "linux.devices[0]", Path: "/dev/nope", Type: "c", Major: -1, Minor: -1}}
		}, "make device linux.devices[0] /dev/nope"},
		{"a default device of another type", func(p *oci.Plan) {
			p.Devices = []oci.Device{{Field: "default", Path: "/dev/null", Default: true, Type: "b", Major: -1, Minor: -1}}
		}, "another type"},
		{"a terminal without devpts", func(p *oci.Plan) { p.Process.Terminal = true }, "needs a devpts mount"},
		{"a directory for /dev/console", func(p *oci.Plan) {
			p.Process.Terminal = true
			p.Mounts = []oci.Mount{
				{Field: "mounts[0]", Destination: "/dev/pts", Type: oci.MountDevpts},
				{Field: "mounts[1]", Destination: "/dev/console", Type: oci.MountTmpfs},
			}
		}, "/dev/console"},
		{"the root masked, where there is a terminal", func(p *oci.Plan) {
			p.Process.Terminal, p.MaskedPaths = true, []string{"/up"}
			p.Mounts = []oci.Mount{{Field: "mounts[0]", Destination: "/dev/pts", Type: oci.MountDevpts}}
		}, "linux.maskedPaths /up: it leads to the root itself"},
		{"a file for the working directory", func(p *oci.Plan) { p.Process.Cwd = "/file" }, "process.cwd"},
		{"a link in a file's place", func(p *oci.Plan) {
			p.Devices = []oci.Device{{Field: "linux.devices[0]", Path: "/file/null", Type: "p"}}
		}, "linux.devices[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBox(t, []string{"rootfs/file", "rootfs/dir/", "rootfs/link -> dir", "rootfs/up -> dir/..", "rootfs/loop -> loop", "vol/", "hosts"}, func(b *box) {
				c.set(b.plan)
				if err := b.build(); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("build = %v; want an error with %q", err, c.want)
				}
			})
		})
	}
}

func TestMountAttrs(t *testing.T) {
	for want, m := range map[uintptr]oci.MountFlags{
		0:                           {},
		unix.MOUNT_ATTR_RDONLY:      {Readonly: true},
		unix.MOUNT_ATTR_NOSUID:      {NoSuid: true},
		unix.MOUNT_ATTR_NODEV:       {NoDev: true},
		unix.MOUNT_ATTR_NOEXEC:      {NoExec: true},
		unix.MOUNT_ATTR_STRICTATIME: {StrictAtime: true},
		unix.MOUNT_ATTR_NOATIME:     {NoAtime: true, StrictAtime: true},
	} {
		if got := mountAttrs(m); got != want {
			t.Errorf("mountAttrs(%+v) = %#x; want %#x", m, got, want)
		}
	}
}

func TestSourceName(t *testing.T) {
	long := strings.Repeat("n", 256)
	for source, want := range map[string]string{"": "tmpfs", "name": "name", long[:255]: long[:255], long: "tmpfs"} {
		if got := sourceName(&oci.Mount{Type: oci.MountTmpfs, Source: source}); got != want {
			t.Errorf("sourceName(%s) = %s; want %s", source, got, want)
		}
	}
}

func TestTmpfsOptions(t *testing.T) {
	source := option{"source", "tmpfs"}
	for _, c := range []struct {
		tmpfs oci.Tmpfs
		want  []option
	}{
		{oci.Tmpfs{}, []option{source}},
		{oci.Tmpfs{Mode: 0o700}, []option{source}},
		{
			oci.Tmpfs{Size: new(uint64(4096)), Inodes: new(uint64(9)), Mode: 0o1777, HasMode: true, UID: 10, GID: 11},
			[]option{source, {"size", "4096"}, {"nr_inodes", "9"}, {"mode", "1777"}, {"uid", "10"}, {"gid", "11"}},
		},
	} {
		if got := tmpfsOptions(&oci.Mount{Type: oci.MountTmpfs, Tmpfs: c.tmpfs}); !slices.Equal(got, c.want) {
			t.Errorf("tmpfsOptions(%+v) = %v; want %v", c.tmpfs, got, c.want)
		}
	}
}

func TestCloneTree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	fd, err := cloneTree(unix.AT_FDCWD, "/dev/null", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v; want that no exec hands it on", flags, err)
	}
}

// On the emulator's host, mounts are no matter of the host's; where they are, the
// host unmounts those that were recorded.
func TestUnmount(t *testing.T) {
	if err := Unmount("/state", []string{"/x"}, true); err != nil {
		t.Error(err)
	}
	if got := JoinedPath("/bundle/rootfs", []string{"/x"}); got != "/" {
		t.Errorf("JoinedPath = %s; want /", got)
	}
	defer func() { unmountHost = nil }()
	unmountHost = func(stateDir string, recorded []string, checked bool) error {
		return fmt.Errorf("%s %v %v", stateDir, recorded, checked)
	}
	f, err := New(Options{StateDir: "/state", Recorded: func() []string { return []string{"/x"} }})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Unmount(); err == nil || err.Error() != "/state [/x] false" {
		t.Errorf("Unmount = %v; want the host's, with what was recorded", err)
	}
}
