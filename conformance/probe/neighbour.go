package main

// A neighbour of the runtime's processes: it tries everything on each process
// that comes up beside it, and tells what it could get hold of before the
// process was the container's.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

// opNeighbour prints a line for each thing that it got, and how many processes
// it saw whenever that was a power of two. It never ends.
func opNeighbour(p *probe, _ []string, line *fact.Line) error {
	runtime.LockOSThread() // who traces is a thread
	if err := p.print(&fact.Line{Op: "ready", OK: true}); err != nil {
		return err
	}
	known, told := map[string]bool{"/proc/" + strconv.Itoa(os.Getpid()): true}, map[string]bool{}
	tell := func(what string) error {
		if told[what] {
			return nil
		}
		told[what] = true
		return p.print(&fact.Line{Op: "got", OK: true, Text: what})
	}
	seen := 0
	for {
		dirs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			for _, what := range grasp(dir, !known[dir]) {
				if err := tell(what); err != nil {
					return err
				}
			}
			if known[dir] {
				continue
			}
			known[dir] = true
			if seen++; seen&(seen-1) == 0 {
				if err := p.print(&fact.Line{Op: "seen", OK: true, Text: strconv.Itoa(seen)}); err != nil {
					return err
				}
			}
		}
	}
}

// grasp tries what there is to try on a process, and gives what it got. What
// runs this program already is the container's.
func grasp(dir string, trace bool) []string {
	name := command(dir)
	var got []string
	for _, link := range []string{"cwd", "root"} {
		if place := outside(dir + "/" + link); place != "" {
			got = append(got, fmt.Sprintf("%s of %s: %s", link, name, place))
		}
	}
	if ours(name) {
		return got
	}
	var tries []string
	for fd := 3; fd < 32; fd++ {
		tries = append(tries, "fd/"+strconv.Itoa(fd))
	}
	for _, file := range append(tries, "mem", "regs", "fpregs", "environ") {
		fd, err := unix.Open(dir+"/"+file, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if n, err := unix.Pread(fd, make([]byte, 8), 0x400000); n > 0 || err == nil && strings.HasPrefix(file, "fd/") {
			if name := command(dir); !ours(name) {
				got = append(got, fmt.Sprintf("%s of %s", file, name))
			}
		}
		_ = unix.Close(fd)
	}
	if pid, err := strconv.Atoi(filepath.Base(dir)); trace && err == nil {
		if name := stopped(pid, func() string { return command(dir) }); !ours(name) {
			got = append(got, "stopped "+name)
		}
	}
	return got
}

// await waits for a process to stop. Who gives up at a signal leaves it stopped
// for good.
func await(pid, options int) error {
	for {
		_, err := unix.Wait4(pid, nil, options, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// ours says whether a name is that of a program of the container, or of none.
func ours(name string) bool { return name == "" || name == "probe" }

// command is a process's name, as both systems' files have it; empty when it
// can't be told.
func command(dir string) string {
	b, _ := os.ReadFile(dir + "/status")
	f := strings.Fields(string(b))
	switch {
	case len(f) > 1 && f[0] == "Name:":
		return f[1]
	case len(f) > 0:
		return f[0]
	}
	return ""
}

// outside names a directory that is not the container's root, nor below it.
func outside(path string) string {
	var own, there, above unix.Stat_t
	if unix.Stat("/", &own) != nil || unix.Stat(path+"/.", &there) != nil {
		return ""
	}
	if unix.Stat(path+"/"+strings.Repeat("../", 16), &above) != nil || above.Dev == own.Dev && above.Ino == own.Ino {
		return ""
	}
	return fmt.Sprintf("device %d, inode %d", there.Dev, there.Ino)
}
