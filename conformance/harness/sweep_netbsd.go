// What NetBSD offers for finding leftovers: the host's own lists of mounts
// and processes. Without a subreaper any new process that runs the probe is
// taken for a leftover, so cases run one at a time there.

package harness

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// mountPoints lists the mount points of the host.
func mountPoints() []string {
	n, err := unix.Getvfsstat(nil, unix.ST_NOWAIT)
	if err != nil {
		return nil
	}
	list := make([]unix.Statvfs_t, n+8)
	if n, err = unix.Getvfsstat(list, unix.ST_NOWAIT); err != nil {
		return nil
	}
	var points []string
	for _, fs := range list[:n] {
		points = append(points, unix.ByteSliceToString(fs.Mntonname[:]))
	}
	return points
}

// processes lists the processes that run the probe.
func processes() map[int]string {
	const all = 0
	buf, err := unix.SysctlRaw("kern.proc2", all, 0, kinfoSize, 4096)
	if err != nil {
		return nil
	}
	return probesIn(buf)
}

func killLeft(before snapshot) {
	for pid := range processes() {
		if _, old := before.processes[pid]; !old {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func cgroupsNamed([]string, bool) []string { return nil }

func removeCgroups([]string) {}

// Resident needs a subreaper: cases that use it say OS Linux.
func (t *T) Resident() []string {
	t.Skipf("NetBSD has no subreaper")
	return nil
}
