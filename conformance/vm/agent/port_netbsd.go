package main

// The commands of the pages that are marked "containerd", typed in the guest as they
// are printed: containerd's port is installed and started by its rc.d scripts, makes
// containers, and goes. What a user has before the first command is put there: the
// programs of this project, those of the port and the scripts in the working
// directory, release sets.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/console"
	"github.com/netbsd-cells/runcell/pkg/containerd"
	"golang.org/x/sys/unix"
)

// portSubr is what the scripts need of rc.subr(8) where there is no userland: a
// program in the background is stopped by its number.
const portSubr = `
load_rc_config() { . /etc/rc.conf; }
run_rc_command()
{
	eval "_on=\$$rcvar _flags=\$${name}_flags"
	[ "$_on" = YES ] || { echo "$name is not enabled"; return 0; }
	case $1 in
	restart)	(run_rc_command stop) && run_rc_command start ;;
	start)
		echo "Starting $name."
		${start_precmd:-:} && eval "$command $_flags $command_args" && echo $! >"/var/run/$name.pid" && ${start_postcmd:-:} ;;
	stop)
		echo "Stopping $name."
		_pid=$(cat "/var/run/$name.pid") && kill "$_pid" && while kill -0 "$_pid" 2>/dev/null; do sleep 1; done ;;
	esac
}
`

// portWords are what is typed for service(8) where there is no userland.
const portWords = `
service() { sh "/etc/rc.d/$1" "$2"; }
`

// inMemory are directories that hold more than the guest's disk does.
var inMemory = []string{"/usr/local", "/var/lib"}

// portEnd is typed after the page: its last commands took the containers away.
var portEnd = []console.Step{
	{Command: "ctr containers ls -q; ctr tasks ls -q"},
	{Command: "service containerd stop", Want: []string{"Stopping containerd.", "…"}},
	{Command: "service containerd_snapshotter stop", Want: []string{"Stopping containerd_snapshotter.", "…"}},
}

// port types the pages' commands with containerd's port: programs are runcell, its
// shim and its snapshotter, foreign is the directory with the port's.
func port(busybox, module, foreign string, programs []string) (err error) {
	if err := portMounts(); err != nil {
		return err
	}
	defer func() {
		for _, on := range inMemory {
			err = errors.Join(err, unix.Unmount(on, 0))
		}
	}()
	dir, err := os.MkdirTemp("/tmp", "port-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	r := &pagesRun{busybox: busybox, dir: dir}
	if err := errors.Join(r.tools("/rescue"), r.mirror(), portSystem(r, module), portPrograms(programs)); err != nil {
		return err
	}
	r.env = append(os.Environ(), "PATH="+r.path()+":/usr/local/sbin", moduleVar+"="+module)
	fmt.Println("TAP version 14")
	err = r.all(console.Port, func(name string, steps []console.Step) error {
		if len(steps) == 0 {
			return nil
		}
		if err := portDirectory(r, filepath.Join(dir, name), foreign); err != nil {
			return err
		}
		return r.page(name, append(steps, portEnd...))
	})
	if err == nil {
		err = r.end()
	}
	if log, readErr := os.ReadFile("/var/log/containerd.log"); err != nil && readErr == nil {
		lines := strings.Split(strings.TrimSpace(string(log)), "\n")
		fmt.Fprintln(os.Stderr, "containerd's log ends with\n"+strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// portMounts makes room.
func portMounts() error {
	for _, on := range inMemory {
		room := tmpfs(on, 0o755)
		if err := errors.Join(os.MkdirAll(on, 0o755), room.mount()); err != nil {
			return err
		}
	}
	return nil
}

// portSystem makes what a NetBSD has.
func portSystem(r *pagesRun, module string) error {
	errs := []error{installModule(module), os.MkdirAll("/etc/rc.d", 0o755), os.MkdirAll("/var/log", 0o755)}
	if !userland() {
		r.before = portWords
		errs = append(errs, os.WriteFile("/etc/rc.subr", []byte(portSubr+r.functions()), 0o644))
	}
	for path, text := range map[string]string{"/etc/hosts": "127.0.0.1 localhost\n", "/etc/resolv.conf": "nameserver 192.0.2.1\n", "/etc/rc.conf": ""} {
		if _, err := os.Stat(path); err != nil {
			errs = append(errs, os.WriteFile(path, []byte(text), 0o644))
		}
	}
	return errors.Join(errs...)
}

// portPrograms puts this project's programs where make install does.
func portPrograms(programs []string) error {
	var errs []error
	for _, name := range programs {
		to := filepath.Join("/usr/local", filepath.Base(filepath.Dir(name)), filepath.Base(name))
		b, err := os.ReadFile(name)
		errs = append(errs, err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o755))
	}
	return errors.Join(errs...)
}

// portDirectory is the page's working directory, with what its user has built or
// fetched.
func portDirectory(r *pagesRun, dir, foreign string) error {
	scripts, err := fs.Sub(netbsd.Scripts, ".")
	errs := []error{err, os.MkdirAll(dir, 0o755), os.CopyFS(filepath.Join(dir, "pkg/containerd"), scripts)}
	for _, name := range []string{"containerd", "ctr", "nerdctl"} {
		errs = append(errs, os.Symlink(filepath.Join(foreign, name), filepath.Join(dir, name)))
	}
	for _, name := range []string{"base.tar.xz", "etc.tar.xz"} {
		errs = append(errs, os.Symlink(filepath.Join(r.dir, "mirror", name), filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}
