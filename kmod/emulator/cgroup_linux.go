package emulator

// A cell's cgroup, where the host has a cgroup v2 mount: it names the cell to
// the eBPF programs and lists its members. No cell depends on it.

import (
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// cgroupV2Mounts are the places of the v2 hierarchy: alone, and beside v1.
var cgroupV2Mounts = [...]string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// cgroupV2 gives the v2 hierarchy's mount point, or "".
func cgroupV2() string {
	for _, dir := range cgroupV2Mounts {
		var st unix.Statfs_t
		if _ = unix.Statfs(dir, &st); st.Type == unix.CGROUP2_SUPER_MAGIC { // 0 of what is not there
			return dir
		}
	}
	return ""
}

// cgroupName is the directory of all cells of a state root.
func cgroupName(root string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(root))
	// In two mount namespaces one path can be two directories.
	var st unix.Stat_t
	if unix.Stat(root, &st) == nil {
		_, _ = fmt.Fprintf(h, " %d %d", st.Dev, st.Ino)
	}
	return "runcell." + strconv.FormatUint(h.Sum64(), 16)
}

// ownCgroup is a cell's directory unless it was given one.
func (c *Client) ownCgroup(mount string, id kmod.ID) string {
	return filepath.Join(mount, cgroupName(c.root), strconv.FormatUint(uint64(id), 10))
}

// Directories that were made on the way to a cell's go with the last cell below
// them, others' stay. Ours have the sticky bit, which means nothing in a cgroup
// that nobody else writes to, and which mkdir(2) sets as it makes them: whoever
// is killed leaves none that looks like another's.
const ownMode, ownMark = 0o1755, unix.S_ISVTX

// makeCgroup makes a directory below a hierarchy's mount point. One that is
// there was left by a Create that did not get further, or is given by others.
func makeCgroup(mount, leaf string) error {
	const tries = 10 // another command may be removing a directory on the way
	var err error
	for range tries {
		if err = makeBelow(mount, leaf); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make cgroup %s: %w", leaf, err)
	}
	return nil
}

// makeBelow makes dir and its parents, all with our mark.
func makeBelow(mount, dir string) error {
	err := unix.Mkdir(dir, ownMode)
	if parent := filepath.Dir(dir); errors.Is(err, unix.ENOENT) && len(parent) > len(mount) {
		if err := makeBelow(mount, parent); err != nil {
			return err
		}
		err = unix.Mkdir(dir, ownMode)
	}
	if errors.Is(err, unix.EEXIST) {
		return directory(dir)
	}
	return err
}

// directory refuses what is there and is no cgroup: a hierarchy's own files.
func directory(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return nil
}

// noCgroup tells that a path is that of no cgroup, or none any more.
func noCgroup(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOTDIR)
}

// removeCgroup removes a cell's cgroup, and those of its parents that were
// made for cells and have none any more.
func removeCgroup(leaf string) error {
	if leaf == "" {
		return nil
	}
	if err := removeEmpty(leaf, unix.Rmdir); err != nil {
		return fmt.Errorf("remove cgroup %s: %w", leaf, err)
	}
	for dir := filepath.Dir(leaf); !foreign(dir); dir = filepath.Dir(dir) {
		if err := unix.Rmdir(dir); err != nil && !noCgroup(err) {
			break // EBUSY: other cells use it
		}
	}
	return nil
}

// removeEmpty removes a cgroup that has no process any more: the kernel takes a
// moment to let go of the last one. One that is not there is removed.
func removeEmpty(dir string, rmdir func(string) error) error {
	const tries = 50
	for i := 1; ; i++ {
		err := rmdir(dir)
		if noCgroup(err) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || i == tries {
			return err
		}
		time.Sleep(time.Duration(i) * time.Millisecond / 2)
	}
}

// foreign tells whether a directory is there that others have made. What is
// missing may have ours above it, of one who was killed on the way.
func foreign(dir string) bool {
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && st.Mode&ownMark == 0
}

// handDown enables controllers in every directory on the way to dir, "+pids".
func handDown(mount, dir, controllers string) error {
	for at := mount; ; {
		if err := writeFile(filepath.Join(at, "cgroup.subtree_control"), 0, []byte(controllers)); err != nil {
			return err
		}
		rest, err := filepath.Rel(at, dir)
		if err != nil {
			return err
		}
		next, _, more := strings.Cut(rest, "/")
		if !more {
			return nil
		}
		at = filepath.Join(at, next)
	}
}

// cgroupProcesses reads the members of a cgroup. Processes that this pid
// namespace does not see are listed as 0 and left out.
func cgroupProcesses(dir string) ([]int, error) {
	b, err := readFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("read cgroup: %w", err)
	}
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("read cgroup %s: pid %q: %w", dir, f, err)
		}
		if pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
