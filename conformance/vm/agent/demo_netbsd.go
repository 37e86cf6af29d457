package main

// The demo of the README, docs/demo.sh, without a shell: from a root file
// system to two running cells and back. Each step shows what a user would type
// and what came, as TAP.

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// demoRun is the demo's state.
type demoRun struct {
	runcell, web string // programs
	dir          string
	outside      *exec.Cmd // a process of the host
	points       int
	failed       int
}

// demo runs with the paths of runcell and of the web server.
func demo(args []string) error {
	d := &demoRun{runcell: args[0], web: args[1]}
	var err error
	if d.dir, err = os.MkdirTemp("/tmp", "demo-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	fmt.Println("TAP version 14")
	d.image()
	d.first()
	d.denied()
	d.second()
	d.end()
	d.nothingLeft()
	fmt.Printf("1..%d\n# %d passed, %d failed, 0 skipped\n", d.points, d.points-d.failed, d.failed)
	if d.failed > 0 {
		return fmt.Errorf("%d steps of the demo failed", d.failed)
	}
	return os.RemoveAll(d.dir)
}

// withoutModule tells whether runcell says what is missing on a kernel without
// the module, for each command that needs it.
func withoutModule(runcell string) error {
	dir, err := os.MkdirTemp("/tmp", "bundle-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Mkdir(dir+"/rootfs", 0o755); err != nil {
		return fmt.Errorf("make root: %w", err)
	}
	config := `{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": {"args": ["/x"], "cwd": "/"}}`
	if err := os.WriteFile(dir+"/config.json", []byte(config), 0o644); err != nil {
		return fmt.Errorf("make bundle: %w", err)
	}
	for _, args := range [][]string{{"create", "--bundle", dir, "a"}, {"run", "--bundle", dir, "a"}, {"features"}} {
		out, err := exec.Command(runcell, append([]string{"--root", dir + "/state"}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "modload secmodel_cell") {
			return errors.Join(fmt.Errorf("%s without the module: %s", args[0], out), err)
		}
	}
	if _, err := os.Stat(dir + "/state/a"); err == nil {
		return errors.New("a refused create left something")
	}
	return nil
}

// point reports a step.
func (d *demoRun) point(name string, err error) {
	d.points++
	if err == nil {
		fmt.Printf("ok %d - %s\n", d.points, name)
		return
	}
	d.failed++
	fmt.Printf("not ok %d - %s\n  ---\n  message: %q\n  ...\n", d.points, name, err)
}

// expect runs runcell; its output must match, whatever its exit status. An
// empty pattern wants success.
func (d *demoRun) expect(name, pattern string, args ...string) {
	out, err := d.command(d.runcell, append([]string{"--root", d.dir + "/state"}, args...)...)
	switch {
	case pattern == "":
	case regexp.MustCompile(pattern).MatchString(out):
		err = nil
	default:
		err = fmt.Errorf("want an answer that matches %s", pattern)
	}
	d.point(name, err)
}

// command shows a command line and what it prints. Output goes to a file: a
// cell that goes on would keep a pipe open.
func (d *demoRun) command(program string, args ...string) (string, error) {
	fmt.Printf("# $ %s %s\n", filepath.Base(program), strings.Join(args, " "))
	f, err := os.CreateTemp(d.dir, "output.")
	if err != nil {
		return "", fmt.Errorf("make file for output: %w", err)
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, f, f
	err = cmd.Run()
	b, rerr := os.ReadFile(f.Name())
	for line := range strings.Lines(string(b)) {
		fmt.Printf("#   %s\n", strings.TrimRight(line, "\n"))
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(b))
	}
	return string(b), errors.Join(err, rerr)
}

func (d *demoRun) image() {
	root := d.dir + "/rootfs"
	var errs []error
	for _, dir := range []string{"dev", "proc", "etc", "tmp"} {
		errs = append(errs, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	b, err := os.ReadFile(d.web)
	d.point("a root file system: one static web server", errors.Join(errors.Join(errs...), err, os.WriteFile(root+"/web", b, 0o755)))
	d.expect("an image of it", "", "image", "pack", "--entrypoint", "/web", "--cmd", "serve", "--cmd", "127.0.0.1:8080",
		"--expose", "8080/tcp", "--expose", "8443/tcp", "rootfs", "oci:image:demo")
	d.expect("a bundle of the image, with the ports that it exposes", "", "image", "unpack", "--reserve-ports", "oci:image:demo", "web")
	d.expect("what the configuration will mean", "Permissions", "explain", "web")
}

func (d *demoRun) first() {
	d.expect("run it in the background", "", "run", "--detach", "--bundle", "web", "web")
	d.expect("the list has it", "(?m)^web .*running", "list")
	d.expect("and its state", `"status": "running"`, "state", "web")
	var err error
	for range 50 {
		var out string
		if out, err = d.command(d.web, "get", "http://127.0.0.1:8080/outside"); err == nil {
			if !strings.Contains(out, "hello from inside the cell") {
				err = errors.New("another answer")
			}
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	d.point("it answers the host", err)
	d.expect("and a client in the cell", "hello from inside the cell", "exec", "web", "/web", "get", "http://127.0.0.1:8080/inside")
}

func (d *demoRun) denied() {
	d.outside = program(os.Args[0], "wait")
	_, err := d.outside.StdinPipe() // which stays open
	if err := errors.Join(err, d.outside.Start()); err != nil {
		d.point("a process of the host", err)
		return
	}
	pid := strconv.Itoa(d.outside.Process.Pid)
	d.expect("root in the cell can't mount", "(?m)^mount: EPERM$", "exec", "web", "/web", "try", "mount")
	d.expect("nor set the clock", "(?m)^settimeofday: EPERM$", "exec", "web", "/web", "try", "settimeofday")
	d.expect("nor end a process of the host", "(?m)^kill "+pid+": (EPERM|ESRCH)$", "exec", "web", "/web", "try", "kill", pid)
	d.point("which lives on", unix.Kill(d.outside.Process.Pid, 0))
	d.expect("ordinary devices are open", "(?m): ok$", "exec", "web", "/web", "try", "read", "/dev/null")
	d.expect("the random one too", "(?m): ok$", "exec", "web", "/web", "try", "read", "/dev/urandom")
}

func (d *demoRun) second() {
	d.expect("a second bundle, without the ports", "", "image", "unpack", "oci:image:demo", "two")
	config := d.dir + "/two/config.json"
	b, err := os.ReadFile(config)
	b = bytes.ReplaceAll(b, []byte("127.0.0.1:8080"), []byte("127.0.0.1:8181"))
	d.point("with another port", errors.Join(err, os.WriteFile(config, b, 0o644)))
	d.expect("run it", "", "run", "--detach", "--bundle", "two", "two")
	out, err := d.command(d.runcell, "--root", d.dir+"/state", "exec", "two", "/web", "try", "processes")
	if err == nil && (!strings.Contains(out, "127.0.0.1:8181") || strings.Contains(out, "127.0.0.1:8080")) {
		err = errors.New("want its own server, and not the first cell's")
	}
	d.point("it sees its own processes only", err)
	d.expect("it can't take the first cell's port", "(?m)^bind 127.0.0.1:8443: (EACCES|EPERM)$", "exec", "two", "/web", "try", "bind", "127.0.0.1:8443")
	d.expect("the first cell can", "(?m)^bind 127.0.0.1:8443: ok$", "exec", "web", "/web", "try", "bind", "127.0.0.1:8443")
}

func (d *demoRun) end() {
	d.expect("a running cell is not deleted by accident", "running", "delete", "web")
	d.expect("it can be paused", "", "pause", "web")
	d.expect("the state says so", `"status": "paused"`, "state", "web")
	d.expect("and resumed", "", "resume", "web")
	d.expect("stop the server", "", "kill", "web", "TERM")
	d.expect("its exit status is 0", "(?m)^0$", "wait", "web")
	d.expect("delete it", "", "delete", "web")
	d.expect("delete the second, which runs", "", "delete", "--force", "two")
}

// nothingLeft looks for what the cells could have left.
func (d *demoRun) nothingLeft() {
	out, err := d.command(d.runcell, "--root", d.dir+"/state", "list", "--quiet")
	if err == nil && out != "" {
		err = errors.New("cells are left")
	}
	d.point("no cell is left", err)
	n, err := unix.Getvfsstat(nil, unix.ST_NOWAIT)
	list := make([]unix.Statvfs_t, n+8)
	if err == nil {
		n, err = unix.Getvfsstat(list, unix.ST_NOWAIT)
	}
	for _, fs := range list[:max(n, 0)] {
		if on := unix.ByteSliceToString(fs.Mntonname[:]); strings.HasPrefix(on, d.dir) {
			err = errors.Join(err, errors.New(on+" is still mounted"))
		}
	}
	d.point("no mount is left", err)
	err = nil
	_ = filepath.WalkDir(d.dir+"/state", func(path string, e os.DirEntry, werr error) error {
		if werr == nil && !e.IsDir() {
			err = errors.Join(err, errors.New(path+" is left"))
		}
		return nil
	})
	d.point("no file is left", err)
	if d.outside.Process != nil {
		_ = d.outside.Process.Kill()
		_ = d.outside.Wait()
	}
}
