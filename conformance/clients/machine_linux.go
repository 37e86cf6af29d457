package clients

// A machine of the case's own: the tools use their default directories, which
// are empty and private to the case, so that the host is left alone.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

// machine is where a session takes place. The worker has a mount namespace of
// its own already.
type machine struct {
	t   *harness.T
	env []string
	ids []string // of every container there was, once they are removed
	// ownDirs have an entry for each container, and are empty without any.
	ownDirs []string
	shim    bool // the target is a shim, which only containerd calls
}

// settings are what containers.conf needs for a machine without systemd, and
// without the right to raise limits (CAP_SYS_RESOURCE).
const settings = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
`

func newMachine(t *harness.T) *machine {
	m := &machine{t: t, shim: isShim(t.Target.Path), env: []string{
		"PATH=" + before(t.Target) + "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + t.MkdirAll("home"), "TMPDIR=" + t.MkdirAll("tmp"),
		"CONTAINERD_NAMESPACE=" + t.Token, "CONTAINERS=" + containers(), "LC_ALL=C.UTF-8",
		"CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1",
	}}
	m.memory("/run")
	m.memory("/dev/shm")
	m.bind("/var/lib")
	m.bind("/etc/containers")
	m.bind("/etc/containerd")
	t.Must("make directory", os.MkdirAll("/run/lock", 0o755))
	m.write("/etc/containers/policy.json", `{"default": [{"type": "insecureAcceptAnything"}]}`)
	m.write("/etc/containers/containers.conf.d/suite.conf", settings)
	if !m.overlays() {
		m.write("/etc/containers/storage.conf", "[storage]\ndriver = \"vfs\"\nrunroot = \"/run/containers/storage\"\ngraphroot = \"/var/lib/containers/storage\"\n")
		m.env = append(m.env, "CONTAINERD_SNAPSHOTTER=native")
	}
	m.atEnd(m.check)
	b, err := Image()
	t.Must("make image", err)
	t.WriteFile(string(b), "busybox.tar")
	return m
}

// isShim tells whether a program is one of containerd's shims, by its name.
func isShim(path string) bool { return strings.HasPrefix(filepath.Base(path), "containerd-shim-") }

// containerdDir names a directory with another containerd, ctr and shim for
// runc than Debian's.
const containerdDir = "CONTAINERD"

// before is what goes before the directories where programs are: the other
// containerd's, and that of a shim, which containerd looks for by its name.
func before(target harness.Target) string {
	dirs := ""
	if dir := os.Getenv(containerdDir); dir != "" {
		dirs = dir + ":"
	}
	if isShim(target.Path) {
		dirs += filepath.Dir(target.Path) + ":"
	}
	return dirs
}

// memory puts an empty file system in a directory's place.
func (m *machine) memory(dir string) {
	m.t.Must("mount "+dir, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"))
	m.t.Cleanup(func() { m.unmount(dir) })
}

// bind puts an empty directory on disk in a directory's place.
func (m *machine) bind(dir string) {
	m.t.Must("mount "+dir, unix.Mount(m.t.MkdirAll("machine", dir), dir, "", unix.MS_BIND, ""))
	m.t.Cleanup(func() { m.unmount(dir) })
}

// unmount takes a directory's mount away with what the tools mounted below it
// for themselves, such as podman's store on itself. What a container's root
// had is looked for before.
func (m *machine) unmount(dir string) {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		m.t.Errorf("unmount %s: %v", dir, err)
	}
}

func (m *machine) write(path, content string) {
	m.t.Must("make directory", os.MkdirAll(filepath.Dir(path), 0o755))
	m.t.Must("write file", os.WriteFile(path, []byte(content), 0o644))
}

// overlays says whether overlayfs works on the machine's disk.
func (m *machine) overlays() bool {
	dir := m.t.MkdirAll("overlay")
	var options []string
	for _, part := range []string{"lowerdir", "upperdir", "workdir"} {
		options = append(options, part+"="+m.t.MkdirAll("overlay", part))
	}
	merged := m.t.MkdirAll("overlay", "merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, strings.Join(options, ",")); err != nil {
		return false
	}
	m.unmount(merged)
	return os.RemoveAll(dir) == nil
}

// stores are where podman keeps what belongs to one container.
var stores = []string{"/run", "/dev/shm", "/var/lib/containers/storage/overlay-containers", "/var/lib/containers/storage/vfs-containers"}

// journals are podman's own records of containers that there were.
var journals = []string{"/run/libpod/events", "/run/libpod/exits"}

// check looks for what containers left on the machine, after the last one is
// removed: mounts, files that have a container's id in their name or text, and
// what the runtime still knows.
func (m *machine) check() {
	// conmon's last act is a podman that cleans up; it needs the machine.
	m.t.Eventually(func() bool { return len(m.t.Resident()) == 0 }, "processes left: %v", m.t.Resident())
	for _, point := range m.t.NewMounts() {
		if strings.HasSuffix(point, "/merged") || strings.HasSuffix(point, "/rootfs") || strings.HasSuffix(point, "/shm") && point != "/dev/shm" {
			m.t.Errorf("mount left: %s", point)
		}
	}
	for _, dir := range stores {
		for _, path := range harness.FilesNaming(dir, m.ids) {
			if !slices.Contains(journals, filepath.Dir(path)) {
				m.t.Errorf("file left: %s", path)
			}
		}
	}
	for _, dir := range m.ownDirs {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "@") { // in no container's name: runcell's table of cells
				m.t.Errorf("file left: %s", filepath.Join(dir, e.Name()))
			}
		}
	}
	if m.shim {
		return // it has no command for that; its state directory is one of ownDirs
	}
	if r := m.t.Do(harness.Cmd{Args: []string{"list", "--quiet"}, Global: []string{}}); r.Code != 0 || r.Stdout != "" {
		m.t.Errorf("containers left: %s", r)
	}
}

// sh runs a command of the suite's own, which must succeed.
func (m *machine) sh(command string) string {
	r := m.t.Do(harness.Cmd{Path: "/bin/sh", Args: []string{"-c", command}, Env: m.env})
	if r.Code != 0 {
		m.t.Fatalf("prepare the machine: %s", r)
	}
	return r.Stdout
}

// words gives the words that a command prints, or none if it fails.
func (m *machine) words(command string) []string {
	r := m.t.Do(harness.Cmd{Path: "/bin/sh", Args: []string{"-c", command}, Env: m.env})
	return strings.Fields(r.Stdout)
}

// find gives the path of a program that Debian has in one of two places.
func (m *machine) find(name string) string {
	for _, dir := range []string{os.Getenv(containerdDir), "/usr/bin", "/usr/sbin"} {
		if path := filepath.Join(dir, name); harness.Exists(path) {
			return path
		}
	}
	m.t.Fatalf("find %s: it is not installed", name)
	return ""
}

// atEnd runs f before the machine is taken away; f may end the case.
func (m *machine) atEnd(f func()) {
	m.t.Cleanup(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	})
}
