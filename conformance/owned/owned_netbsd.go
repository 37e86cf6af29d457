package owned

// What NetBSD tells of one's own: there is one mount table, so a directory is
// the mark; without a subreaper a program's name is the mark of a process.

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// mountPoints lists the mount points of the machine (getvfsstat(2)).
func mountPoints() []string {
	n, err := unix.Getvfsstat(nil, unix.ST_NOWAIT)
	if err != nil {
		panic(err) // who can't see must not say that nothing is left
	}
	list := make([]unix.Statvfs_t, n+8)
	if n, err = unix.Getvfsstat(list, unix.ST_NOWAIT); err != nil {
		panic(err)
	}
	var points []string
	for _, fs := range list[:n] {
		points = append(points, unix.ByteSliceToString(fs.Mntonname[:]))
	}
	return points
}

// Processes lists the processes that run the suites' probe. A caller who has
// others running it compares with a list from before.
func Processes() map[int]string { return Named("probe") }

// Named lists the processes whose programs have one of these names. The kernel
// keeps 16 bytes of a name, so others that begin with these are among them.
func Named(names ...string) map[int]string {
	const all = 0
	buf, err := unix.SysctlRaw("kern.proc2", all, 0, kinfoSize, 4096)
	if err != nil {
		panic(err)
	}
	return namedIn(buf, names...)
}

// Kill kills the processes that were not there before.
func Kill(before map[int]string) {
	for pid := range Processes() {
		if _, old := before[pid]; !old {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
