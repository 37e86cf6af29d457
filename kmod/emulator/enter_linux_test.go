package emulator

// What a cell's processes are in, and what they have of the host's.

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// links are what the links in a process's directory below /proc lead to.
func links(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil { // or it is the directory's own
			m[e.Name()] = to
		}
	}
	return m
}

// reap kills a cell and waits for a later entry, as its parent has to: the first
// process does not end before.
func (h *host) reap(id kmod.ID, later *child) {
	h.t.Helper()
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		h.t.Error(err)
	}
	later.end()
}

func TestNamespaces(t *testing.T) {
	h := newHost(t)
	for network, more := range map[kmod.Network]string{"": "", kmod.NetworkNone: "net"} {
		id := h.cell(kmod.Spec{Network: network})
		first := h.start(id, "wait")
		first.line()
		later := h.start(id, "wait")
		later.line()
		own, of, also := links(t, "/proc/self/ns"), links(t, procPath(first.pid, "ns")), links(t, procPath(later.pid, "ns"))
		for _, ns := range []string{"pid", "ipc", "uts", "mnt", "net", "user", "cgroup"} {
			apart := slices.Contains([]string{"pid", "ipc", "uts", "mnt", more}, ns)
			if (of[ns] != own[ns]) != apart || also[ns] != of[ns] {
				t.Errorf("network %q: %s of the host %s, of the first process %s, of a later one %s; want another: %v",
					network, ns, own[ns], of[ns], also[ns], apart)
			}
		}
		h.reap(id, later)
		h.end(id)
	}
}

// A descriptor of a directory of the host's would be a way out.
func TestNoDescriptorOfTheHost(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{CgroupsPath: placed(t), MaxProcesses: 30})
	given := links(t, "/proc/self/fd") // to the tests, by whoever runs them
	children := []*child{h.start(id, "wait"), h.start(id, "wait")}
	for _, c := range children {
		c.line()
		for fd, to := range links(t, procPath(c.pid, "fd")) {
			if given[fd] != to && !strings.HasPrefix(to, "pipe:") && !strings.HasPrefix(to, "anon_inode:[event") {
				t.Errorf("descriptor %s of a process in the cell is %s", fd, to)
			}
		}
	}
	// Nor has the host more of them when a child is born.
	before := len(links(t, "/proc/self/fd"))
	e, err := h.Enter(id)
	if err != nil {
		t.Fatal(err)
	}
	if lower := capset(t, e.Lower[0]); len(e.Lower) != 1 || lower[0].Permitted&(1<<unix.CAP_SYS_ADMIN) != 0 {
		t.Errorf("before exec a child keeps the capabilities %#x", lower)
	}
	e.Close()
	if after := len(links(t, "/proc/self/fd")); after != before {
		t.Errorf("%d descriptors are open after an entry, %d before", after, before)
	}
	fd, err := openDir("/")
	if err != nil {
		t.Fatal(err)
	}
	e.Close() // again: what has these numbers now is another's
	if err := unix.Close(fd); err != nil {
		t.Errorf("close a descriptor of others: %v", err)
	}
	h.reap(id, children[1])
	h.end(id)
	gone(t, placed(t))
}

// What is mounted in a cell does not appear on the host, whatever it shares.
func TestMountsFlowIntoACellOnly(t *testing.T) {
	top := t.TempDir()
	sub := filepath.Join(top, "sub")
	var before, after, info string
	done := make(chan error)
	go func() { // on a thread that ends with it
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return err
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return err
			}
			for _, dir := range []string{top, sub} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
				if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
					return err
				}
				if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
					return err
				}
			}
			host, err := os.Open("/proc/thread-self/ns/mnt") // or it would end with the last thread in it
			if err != nil {
				return err
			}
			defer func() { _ = host.Close() }()
			if before, err = os.Readlink("/proc/thread-self/ns/mnt"); err != nil {
				return err
			}
			if err = unshareMounts(); err != nil {
				return err
			}
			if after, err = os.Readlink("/proc/thread-self/ns/mnt"); err != nil {
				return err
			}
			b, err := os.ReadFile("/proc/thread-self/mountinfo")
			info = string(b)
			return err
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if before == after {
		t.Error("the mounts are the same thread's as before")
	}
	found := 0
	for line := range strings.Lines(info) {
		f := strings.Fields(line)
		if strings.Contains(line, " shared:") {
			t.Errorf("a mount is still shared: %s", line)
		}
		if (f[4] == top || f[4] == sub) && strings.Contains(line, " master:") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d mounts get what the host mounts; want 2:\n%s", found, info)
	}
}

// Whoever enters later has the first process's root, however that was made.
func TestLaterEntriesHaveTheRoot(t *testing.T) {
	h := newHost(t)
	for _, h.chroot = range []bool{false, true} {
		id := h.cell(kmod.Spec{})
		h.start(id, "wait").line()
		if out, _ := h.start(id, "root").output(); out != "dev probe proc tmp \n" {
			t.Errorf("root of a later entry, chroot(2) %v: %q", h.chroot, out)
		}
		h.end(id)
	}
	h.probe = filepath.Join(h.rootfs, "probe")
	id, err := h.Create(kmod.Spec{Name: "host", Root: "/"})
	if err != nil {
		t.Fatal(err)
	}
	h.start(id, "wait").line()
	entries, err := os.ReadDir("/")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, e := range entries {
		want.WriteString(e.Name() + " ")
	}
	if out, _ := h.start(id, "root").output(); out != want.String()+"\n" {
		t.Errorf("root of a later entry into a cell of the host's root: %q; want %q", out, &want)
	}
}

func TestFilesAreOpenedForNoChild(t *testing.T) {
	dir := t.TempDir()
	for name, create := range map[string]func(string) error{
		"file": func(f string) error { return os.WriteFile(f, nil, 0o600) },
		"fifo": func(f string) error { return unix.Mkfifo(f, 0o600) },
		"link": func(f string) error { return os.Symlink("/", f) },
	} {
		file := filepath.Join(dir, name)
		if err := create(file); err != nil {
			t.Fatal(err)
		}
		if fd, err := openDir(file); err == nil {
			t.Errorf("openDir of a %s = %d", name, fd)
		}
	}
	fd, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("openDir's flags = %#x, %v; want FD_CLOEXEC", flags, err)
	}
}
