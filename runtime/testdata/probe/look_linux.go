package main

// What a neighbour in the container sees of runcell's processes.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func init() {
	verbs["neighbour"] = neighbour
	verbs["shows"] = shows
	verbs["id"] = id
}

// neighbour looks at every process that comes up, as long as it lives, and
// prints each thing that leads to anything above itself but this program's own
// root: its descriptors, directory and root. What it may do beside looking is
// told: "trace" stops each process and looks again, "kill" kills it. With
// "behind" it goes on behind a hook, which ends.
func neighbour(a []string) error {
	if len(a) > 1 && a[1] == "behind" {
		return behind(a[:1])
	}
	runtime.LockOSThread() // who traces is a thread
	fmt.Println("ready")
	n := watcher{told: map[string]bool{}, known: map[string]bool{"/proc/" + fmt.Sprint(os.Getpid()): true, "/proc/1": true}}
	for {
		pids, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if pid == "/proc/"+fmt.Sprint(os.Getpid()) {
				continue
			}
			n.look(pid)
			if n.known[pid] {
				continue
			}
			n.known[pid] = true
			switch a[0] {
			case "trace":
				n.trace(pid)
			case "kill":
				if number, err := strconv.Atoi(filepath.Base(pid)); err == nil {
					_ = syscall.Kill(number, syscall.SIGKILL)
				}
			}
		}
	}
}

// behind starts this program again, with the descriptors of a file.
func behind(a []string) error {
	out, err := os.OpenFile("/tmp/seen", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	cmd := exec.Command("/probe", append([]string{"neighbour"}, a...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	for { // until it looks
		if fi, err := out.Stat(); err != nil || fi.Size() > 0 {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// watcher is what a neighbour has told already.
type watcher struct{ told, known map[string]bool }

func (w *watcher) tell(what string) {
	if what != "" && !w.told[what] {
		w.told[what] = true
		fmt.Println(what)
	}
}

// look follows everything that /proc shows of a process.
func (w *watcher) look(pid string) {
	for _, link := range []string{"cwd", "root"} {
		w.tell(leadsTo(pid + "/" + link))
	}
	if f, err := os.OpenFile(pid+"/exe", os.O_WRONLY, 0); err == nil {
		to, err := os.Readlink(pid + "/exe")
		w.tell(fmt.Sprintf("program %s, to be written to (%v)", to, err))
		_ = f.Close()
	}
	fds, err := os.ReadDir(pid + "/fd")
	if err != nil {
		return
	}
	for _, fd := range fds {
		if !standard(fd.Name()) { // those are the caller's
			w.tell(leadsTo(pid + "/fd/" + fd.Name()))
		}
	}
}

// trace stops a process and looks at it at leisure. One that could be stopped
// before it was sealed would do what its tracer wants.
func (w *watcher) trace(pid string) {
	number, err := strconv.Atoi(filepath.Base(pid))
	if err != nil || ptrace(seize, number) != nil || ptrace(interrupt, number) != nil {
		return
	}
	defer func() { _ = syscall.PtraceDetach(number) }()
	var status syscall.WaitStatus
	_, err = syscall.Wait4(number, &status, syscall.WALL, nil)
	for errors.Is(err, syscall.EINTR) { // who gives up here leaves it stopped for good
		_, err = syscall.Wait4(number, &status, syscall.WALL, nil)
	}
	if err != nil || !status.Stopped() {
		return
	}
	w.look(pid)
	if mine, its := field("/proc/self", "Seccomp"), field(pid, "Seccomp"); its != mine && its != "" {
		exe, _ := os.Readlink(pid + "/exe")
		w.tell(fmt.Sprintf("process of %s, stopped without a filter (%s, not %s), capabilities %s", exe, its, mine, field(pid, "CapEff")))
	}
}

// Requests of ptrace(2) that stop a process without a signal, which could come
// late and stop it for good.
const seize, interrupt = 0x4206, 0x4207

func ptrace(request, pid int) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(pid), 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// field is a line of a process's status.
func field(pid, name string) string {
	b, _ := os.ReadFile(pid + "/status")
	_, after, _ := strings.Cut(string(b), "\n"+name+":")
	value, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(value)
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
		// The caller's, from our root: its path is the host's.
		var mine syscall.Stat_t
		if syscall.Stat("/probe", &mine) == nil && mine.Ino == here.Ino && mine.Dev == here.Dev {
			return ""
		}
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
