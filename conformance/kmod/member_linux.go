package kmod

// Entering, as the emulator wants it: the first process's thread makes the
// cell's root its own, and later ones find themselves in it.

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// attach makes a directory the calling thread's root.
func attach(root string) error {
	if err := unix.Mount(root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind root: %w", err)
	}
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("change to root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the host's root: %w", err)
	}
	return nil
}

// rootSteps mount /proc, which shows its mounter's processes.
func rootSteps(_ int, first bool) []stage.Step {
	if !first {
		return nil
	}
	kind, path := [...]byte{'p', 'r', 'o', 'c', 0}, [...]byte{'/', 'p', 'r', 'o', 'c', 0}
	s := stage.Sys("mount /proc", unix.SYS_MOUNT, address(&kind[0]), address(&path[0]), address(&kind[0]))
	s.Keep = []any{&kind, &path}
	return []stage.Step{s}
}

func dupStep(register, to int) stage.Step {
	s := stage.Sys("take a descriptor", unix.SYS_DUP3, uintptr(register), uintptr(to), 0)
	s.From[0] = stage.Reg
	return s
}

// closeAll closes every descriptor but the standard ones.
func closeAll() stage.Step {
	return stage.Sys("close all descriptors", unix.SYS_CLOSE_RANGE, 3, uintptr(^uint32(0)), 0)
}

// sysExit ends a process with all of its threads.
const sysExit = unix.SYS_EXIT_GROUP

// deadly signals end a first process: others do not reach the init of a pid
// namespace.
var deadly = []unix.Signal{unix.SIGKILL}

// otherDevices are nodes that the policy calls raw devices.
func otherDevices() []string { return []string{"/dev/mem", "/dev/kmem", rawDisk()} }

// rawDisk is a disk that is there, and that nothing is on.
func rawDisk() string { return "/dev/loop7" }

// removeSegments has nothing to do: they end with the cell's namespace.
func (w *world) removeSegments([]int) {}

// withPts gives the cells of this world pseudo-terminals.
func (w *world) withPts() {
	w.mount("devpts", filepath.Join(w.root, "dev/pts"), "newinstance,ptmxmode=0666,mode=0620")
	w.Must("link ptmx", os.Symlink("pts/ptmx", filepath.Join(w.root, "dev/ptmx")))
}

// withProc lets agents of the host find /proc where members find theirs.
func (w *world) withProc() { w.mount("proc", filepath.Join(w.root, "proc"), "") }

func (w *world) mount(kind, path, data string) {
	w.Must("mount "+kind, unix.Mount(kind, path, kind, 0, data))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mounted = append(w.mounted, path)
}

func unmount(path string) error { return unix.Unmount(path, unix.MNT_DETACH) }

// remains finds the cgroups of a state root's cells, which carry the hash of
// its path and of its inode.
func remains(root string) []string {
	var found []string
	for _, mount := range cgroupMounts {
		dir := filepath.Join(mount, cgroupOf(root))
		if _, err := os.Stat(dir); err == nil {
			found = append(found, "cgroup "+dir)
		}
	}
	return found
}

var cgroupMounts = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"}

func cgroupOf(root string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(root))
	var st unix.Stat_t
	if unix.Stat(root, &st) == nil {
		_, _ = fmt.Fprintf(h, " %d %d", st.Dev, st.Ino)
	}
	return "runcell." + strconv.FormatUint(h.Sum64(), 16)
}

// seenAs gives the host's pid of a member that calls itself inside; 0 if
// there is none.
func seenAs(members []int, inside int) int {
	for _, pid := range members {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "NSpid:" && f[len(f)-1] == strconv.Itoa(inside) {
				return pid
			}
		}
	}
	return 0
}

// ended says whether a child waits to be reaped.
func ended(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// withAddress has nothing to do: all of 127.0.0.0/8 is the host's.
func (w *world) withAddress(a netip.Addr) {
	if !bindable(a) {
		w.Skipf("this host does not have %s", a)
	}
}
