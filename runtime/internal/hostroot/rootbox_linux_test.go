package hostroot

// What the tests of a root on real mounts share: a kernel like NetBSD's, and a box
// with a host and a root in it.

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"golang.org/x/sys/unix"
)

// linuxMounts plays NetBSD's kernel. In its mount table are the mounts below the
// test's directory, after those of a host that is the same on every machine.
type linuxMounts struct {
	host   []mountEntry
	dir    string            // the test's
	kinds  map[uint64]string // our mounts' types, by mount id
	before func(m hostMount, path string)
	refuse func(m hostMount, path string) error
	lie    func(e *mountEntry) // about the mount that a place lies on
	log    []string
	forced []string // unmounted by force
	tables int      // how often it was asked for the table
}

// linuxNames are Linux's names of the file systems.
var linuxNames = map[string]string{fsTmpfs: "tmpfs", fsProc: "proc", fsPty: "devpts"}

var linuxFlags = []struct {
	flag  int
	mount uintptr
	word  string
}{
	{mntReadonly, unix.MS_RDONLY, "ro"},
	{mntNoSuid, unix.MS_NOSUID, "nosuid"},
	{mntNoDev, unix.MS_NODEV, "nodev"},
	{mntNoExec, unix.MS_NOEXEC, "noexec"},
}

func (k *linuxMounts) mount(m hostMount, path string) error {
	if k.before != nil {
		k.before(m, path)
	}
	if k.refuse != nil {
		if err := k.refuse(m, path); err != nil {
			return err
		}
	}
	k.log = append(k.log, m.kind+" "+path)
	var flags uintptr
	for _, f := range linuxFlags {
		if m.flags&f.flag != 0 {
			flags |= f.mount
		}
	}
	if fi, err := os.Stat(path); err != nil || !fi.IsDir() {
		return errors.Join(unix.ENOTDIR, err)
	}
	if m.kind == fsNull {
		if err := unix.Mount(m.source, path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if err := unix.Mount("", path, "", flags|unix.MS_BIND|unix.MS_REMOUNT, ""); err != nil {
			return err
		}
	} else {
		data := ""
		switch m.kind {
		case fsTmpfs:
			data = fmt.Sprintf("mode=%o", m.tmpfs.Mode)
		case fsPty:
			data = fmt.Sprintf("newinstance,gid=%d,mode=%o,ptmxmode=0666", m.gid, m.mode)
		}
		if err := unix.Mount(m.kind, path, linuxNames[m.kind], flags, data); err != nil {
			return err
		}
	}
	k.kinds[mountID(unix.AT_FDCWD, path)] = m.kind
	return nil
}

func mountID(fd int, path string) uint64 {
	var st unix.Statx_t
	if err := unix.Statx(fd, path, unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return 0
	}
	return st.Mnt_id
}

func (k *linuxMounts) unmount(path string, force bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if force { // Linux forces network file systems only
		k.forced = append(k.forced, path)
		flags |= unix.MNT_DETACH
	}
	return unix.Unmount(path, flags)
}

func (*linuxMounts) syncer() (int, error)              { return 0, nil }
func (*linuxMounts) walk() (int, time.Duration, error) { return 0, 0, nil }

func (k *linuxMounts) table() ([]mountEntry, error) {
	k.tables++
	entries, _, err := k.read()
	table := slices.Clone(k.host)
	for _, e := range entries {
		if inroot.Within(e.on, k.dir) {
			table = append(table, e)
		}
	}
	return table, err
}

func (k *linuxMounts) mountOf(p *inroot.Place) (mountEntry, error) {
	entries, ids, err := k.read()
	if err != nil {
		return mountEntry{}, err
	}
	var id uint64
	if err := p.Ask(func(fd int) error { id = mountID(fd, ""); return nil }); err != nil {
		return mountEntry{}, err
	}
	if i := slices.Index(ids, id); i >= 0 {
		e := entries[i]
		if !inroot.Within(e.on, k.dir) && !slices.Contains(k.host, e) {
			e.kind = "ffs" // the machine's own mounts are not that host's
		}
		if k.lie != nil {
			k.lie(&e)
		}
		return e, nil
	}
	return mountEntry{}, unix.ENOENT
}

// read parses mountinfo of the thread's namespace (proc(5)).
func (k *linuxMounts) read() (entries []mountEntry, ids []uint64, err error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		var id uint64
		if _, err := fmt.Sscan(fields[0], &id); err != nil {
			return nil, nil, err
		}
		e := mountEntry{on: fields[4], kind: fields[slices.Index(fields, "-")+1]}
		if e.kind == "devpts" {
			e.kind = fsPty
		}
		if kind, ok := k.kinds[id]; ok {
			e.kind = kind
		}
		words := strings.Split(fields[5], ",")
		for _, f := range linuxFlags {
			if slices.Contains(words, f.word) {
				e.flags |= f.flag
			}
		}
		entries, ids = append(entries, e), append(ids, id)
	}
	return entries, ids, lines.Err()
}

// rootBox is a bundle, a state directory and the calls on them.
type rootBox struct {
	t              *testing.T
	bundle, source string
	state          string
	kernel         *linuxMounts
	recorded       []string
	created        bool // to its end
	plan           *oci.Plan
}

// inRootBox runs f on a thread with mounts of its own, and checks that
// unmounting leaves nothing.
func inRootBox(t *testing.T, files []string, f func(b *rootBox)) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &rootBox{
		t: t, bundle: filepath.Join(dir, "bundle"), state: filepath.Join(dir, "state", "c"),
		kernel: &linuxMounts{host: someHost, dir: dir, kinds: map[uint64]string{}}, plan: &oci.Plan{Process: &oci.Process{Cwd: "/"}},
	}
	b.source = filepath.Join(b.bundle, "rootfs")
	if err := errors.Join(os.MkdirAll(b.source, 0o755), os.MkdirAll(b.state, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b.put(name)
	}
	err = process.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("unshare mounts (root is needed): %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		f(b)
		return b.sweep()
	})
	if err != nil {
		t.Error(err)
	}
}

// put makes a file ("a/f"), a directory ("a/") or a link ("a/l -> x") in the
// bundle; a file holds its name.
func (b *rootBox) put(entry string) {
	b.t.Helper()
	name, target, link := strings.Cut(entry, " -> ")
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
		b.t.Error(err)
	}
}

// build builds the root and gives it, closed.
func (b *rootBox) build() error {
	r := &Root{
		Kernel: b.kernel, Plan: b.plan, Bundle: b.bundle, Source: b.source, StateDir: b.state,
		Record: func(p string) error {
			b.recorded = append(b.recorded, p)
			return nil
		},
	}
	err := r.Build()
	r.Dir.Close()
	return err
}

func (b *rootBox) unmount() error {
	return Unmount(b.kernel, filepath.Join(b.state, DirName), b.recorded, b.created)
}

// sweep unmounts and looks for what is left.
func (b *rootBox) sweep() error {
	if err := b.unmount(); err != nil {
		return err
	}
	table, err := b.kernel.table()
	if err != nil {
		return err
	}
	if own := table[len(b.kernel.host):]; len(own) > 0 {
		return fmt.Errorf("left mounted: %q", mountPoints(own))
	}
	if left, err := os.ReadDir(b.state); err != nil || len(left) > 0 {
		return errors.Join(fmt.Errorf("left in the state directory: %v", left), err)
	}
	return nil
}

// mounts lists what was mounted on a path of the root, by kind.
func (b *rootBox) mounts(p string) string {
	var kinds []string
	for _, line := range b.kernel.log {
		if kind, ok := strings.CutSuffix(line, " "+b.in(p)); ok {
			kinds = append(kinds, kind)
		}
	}
	return strings.Join(kinds, " ")
}

// in is a path of the root as it is mounted.
func (b *rootBox) in(p string) string { return filepath.Join(b.state, DirName, p) }

func (b *rootBox) want(p, content string) {
	b.t.Helper()
	got, err := os.ReadFile(b.in(p))
	if err != nil || string(got) != content {
		b.t.Errorf("%s = %q, %v; want %q", p, got, err, content)
	}
}

// wantWrite makes a file and compares the error.
func (b *rootBox) wantWrite(p string, want error) {
	b.t.Helper()
	if err := os.WriteFile(b.in(p), nil, 0o600); !errors.Is(err, want) {
		b.t.Errorf("write %s = %v; want %v", p, err, want)
	}
}

// someHost is a host's mount table with what a container needs of it.
var someHost = []mountEntry{{kind: "ffs", on: "/"}, {kind: fsPty, on: "/dev/pts"}}

var someMounts = []oci.Mount{
	{Field: "mounts[0]", Destination: "/proc", Type: oci.MountProc},
	{Field: "mounts[1]", Destination: "/dev", Type: oci.MountTmpfs, Flags: oci.MountFlags{NoSuid: true}},
	{Field: "mounts[2]", Destination: "/dev/pts", Type: oci.MountDevpts},
	{Field: "mounts[3]", Destination: "/data", Type: oci.MountBind, Source: "vol", Flags: oci.MountFlags{Readonly: true}},
	{Field: "mounts[4]", Destination: "/etc/hosts", Type: oci.MountBind, Source: "hosts", Flags: oci.MountFlags{Readonly: true}},
}

var someFiles = []string{"rootfs/etc/hosts", "rootfs/secret/key", "rootfs/frozen/f", "vol/v", "hosts"}

func somePlan(b *rootBox) {
	b.plan.Mounts = someMounts
	b.plan.Devices = []oci.Device{{Field: "default", Path: "/dev/null", Default: true, Type: "c", Major: -1, Minor: -1}}
	b.plan.MaskedPaths = []string{"/secret", "/not/there", "/etc/hosts/below"}
	b.plan.ReadonlyPaths = []string{"/frozen", "/nowhere"}
	b.plan.Process.Terminal = true
	b.plan.Process.Cwd = "/work/here"
}

func checkSomePlan(b *rootBox) {
	b.t.Helper()
	b.want("/data/v", "vol/v")
	b.wantWrite("/data/new", unix.EROFS)
	b.want("/etc/hosts", "hosts")
	b.want("/proc/self/comm", string(readComm()))
	b.want("/frozen/f", "rootfs/frozen/f")
	b.wantWrite("/frozen/new", unix.EROFS)
	b.wantWrite("/secret/new", unix.EROFS)
	if _, err := os.Stat(b.in("/secret/key")); !errors.Is(err, os.ErrNotExist) {
		b.t.Errorf("masked file is visible: %v", err)
	}
	var null, host unix.Stat_t
	if err := errors.Join(unix.Stat(b.in("/dev/null"), &null), unix.Stat("/dev/null", &host)); err != nil || null.Rdev != host.Rdev {
		b.t.Errorf("/dev/null = %x, %v; want the host's %x", null.Rdev, err, host.Rdev)
	}
	for p, want := range map[string]string{"/dev/stdin": "/proc/self/fd/0", "/dev/console": "tty"} {
		if got, err := os.Readlink(b.in(p)); err != nil || got != want {
			b.t.Errorf("%s -> %s, %v; want %s", p, got, err, want)
		}
	}
	if fi, err := os.Stat(b.in(b.plan.Process.Cwd)); err != nil || !fi.IsDir() {
		b.t.Errorf("the working directory was not made: %v", err)
	}
}

// readComm is the name of this process's main thread.
func readComm() []byte {
	b, _ := os.ReadFile("/proc/self/comm")
	return b
}
