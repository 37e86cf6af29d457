package store

// Mounts as Linux lists them (proc_pid_mountinfo(5)). Cells have mount namespaces
// of their own, so those of all processes are looked at.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func mountedPaths() ([]string, error) {
	proc, err := os.OpenRoot("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := fs.ReadDir(proc.FS(), ".")
	if err != nil {
		return nil, err
	}
	var paths []string
	seen, asked := map[string]bool{}, 0
	for _, n := range names {
		if n.Name()[0] < '0' || n.Name()[0] > '9' {
			continue
		}
		// Who may not know the namespace may still read its mounts.
		ns, err := proc.Readlink(n.Name() + "/ns/mnt")
		if err == nil && seen[ns] {
			continue
		}
		data, err := readProc(proc, n.Name()+"/mountinfo")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
			continue // it has ended; EINVAL: it is a zombie
		}
		if err != nil {
			return nil, err
		}
		asked++
		if ns != "" {
			seen[ns] = true
		}
		paths = appendMounts(paths, string(data))
	}
	if asked == 0 {
		return nil, fmt.Errorf("/proc shows no process: %w", fs.ErrNotExist)
	}
	return paths, nil
}

func readProc(proc *os.Root, name string) ([]byte, error) {
	f, err := proc.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// appendMounts adds what each line mounts, and where.
func appendMounts(paths []string, mountinfo string) []string {
	for line := range strings.Lines(mountinfo) {
		if fields := strings.Fields(line); len(fields) > 4 {
			paths = append(paths, fields[3], fields[4])
		}
	}
	return paths
}
