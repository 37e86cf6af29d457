package main

// What a neighbour in the container sees of runcell's processes.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func init() {
	verbs["neighbour"] = neighbour
	verbs["shows"] = shows
	verbs["id"] = id
}

// neighbour looks at the descriptors of every process that comes up, as long
// as it lives, and prints each directory that leads to anything above itself
// but this program's own root.
func neighbour([]string) error {
	fmt.Println("ready")
	self, told := fmt.Sprint(os.Getpid()), map[string]bool{}
	for {
		pids, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if filepath.Base(pid) == self {
				continue
			}
			fds, err := os.ReadDir(pid + "/fd")
			if err != nil {
				continue
			}
			for _, fd := range fds {
				if standard(fd.Name()) {
					continue // the caller's
				}
				if to := leadsTo(pid + "/fd/" + fd.Name()); to != "" && !told[to] {
					told[to] = true
					fmt.Println(to)
				}
			}
		}
	}
}

func standard(fd string) bool { return fd == "0" || fd == "1" || fd == "2" }

// leadsTo names what an open descriptor leads to outside of the container.
func leadsTo(path string) string {
	link, err := os.Readlink(path)
	if err != nil || !strings.HasPrefix(link, "/") || strings.HasPrefix(link, "/proc/") {
		return "" // /proc: what Go's runtime reads in a program's beginning
	}
	var own, here, above syscall.Stat_t
	if syscall.Stat("/", &own) != nil || syscall.Stat(path, &here) != nil {
		return ""
	}
	if here.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		if syscall.Stat(link, &above) == nil && above.Ino == here.Ino {
			return ""
		}
		return "file " + link
	}
	if syscall.Stat(path+"/"+strings.Repeat("../", 16), &above) != nil {
		return ""
	}
	same := func(a, b syscall.Stat_t) bool { return a.Dev == b.Dev && a.Ino == b.Ino }
	if same(above, own) || same(above, here) {
		return ""
	}
	return "directory " + link
}

// shows writes to a file what a process shows: its descriptors from 3 on, and
// whether its program can be written to.
func shows(a []string) error {
	var b strings.Builder
	fds, err := os.ReadDir("/proc/" + a[0] + "/fd")
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/" + a[0] + "/fd/" + fd.Name()); err == nil && !standard(fd.Name()) {
			fmt.Fprintln(&b, "fd", filepath.Base(to))
		}
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/proc/"+a[0]+"/exe", &fs); err != nil {
		fmt.Fprintln(&b, err)
	}
	fmt.Fprintln(&b, "read-only", fs.Flags&1 != 0) // ST_RDONLY
	return os.WriteFile(a[1], []byte(b.String()), 0o644)
}

// id writes to a file who this process is.
func id(a []string) error {
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	text := fmt.Sprintln(os.Getuid(), os.Getgid(), groups, cwd, limit.Cur, limit.Max)
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "NoNewPrivs") || strings.HasPrefix(line, "Cap") {
			text += line + "\n"
		}
	}
	return os.WriteFile(a[0], []byte(text), 0o644)
}
