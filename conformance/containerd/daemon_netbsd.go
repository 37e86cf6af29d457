package containerd

// A containerd of a case's own, its clients, and what it may not leave.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/owned"
)

const (
	// image is what every case has, packed by runcell and imported by ctr.
	image = "localhost/probe:1"
	// sockets is where containerd keeps those of its shims.
	sockets = "/var/run/containerd/s"
)

// daemon is a containerd.
type daemon struct {
	t       *t
	address string
	state   string // containerd's, and beside it the shims'
	log     *os.File
	before  []string  // sockets that were there
	cmd     *exec.Cmd // the one that runs, or the last that did
	done    chan struct{}
	proxy   *proxy // the snapshotter of our own, if it has one
}

// program is one of those that were built from others' sources.
func program(name string) string {
	return filepath.Join(filepath.Dir(os.Args[0]), "containerd", name)
}

// bare starts a containerd without an image.
func bare(t *t) *daemon { return begin(t, nil) }

// begin starts a containerd, with a snapshotter of ours if there is one.
func begin(t *t, p *proxy) *daemon {
	d := &daemon{t: t, address: t.Path("c.sock"), state: t.MkdirAll("state"), proxy: p}
	config := fmt.Sprintf("version = 3\nroot = %q\nstate = %q\n[grpc]\naddress = %q\n[ttrpc]\naddress = %q\n[debug]\nlevel = \"info\"\n",
		t.MkdirAll("data"), d.state, d.address, d.address+".ttrpc")
	if p != nil {
		config += p.config()
	}
	t.WriteFile(config, "config.toml")
	log, err := os.OpenFile(t.Path("containerd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	t.Must("open log", err)
	d.log = log
	d.before = h.Files(sockets)
	current = d
	d.start()
	t.Cleanup(d.kill)
	return d
}

// current is the case's: a worker runs one case.
var current *daemon

// kill ends what a case could not end in its time.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
	for pid := range owned.Named("containerd-shim-runcell-v1") {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// with starts a containerd with the image.
func with(t *t) *daemon {
	d := bare(t)
	archive := pack(t, 1)
	d.ok("images", "import", "--base-name", "localhost/probe", archive)
	return d
}

// start starts containerd and waits until it answers. It outlives the time of
// the case, so that its containers can be taken away.
func (d *daemon) start() {
	cmd := &exec.Cmd{
		Path: program("containerd"), Args: []string{"containerd", "--config", d.t.Path("config.toml")},
		Dir: d.t.Dir, Env: d.t.Env(), Stdout: d.log, Stderr: d.log,
	}
	d.t.Must("start containerd", cmd.Start())
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	d.cmd, d.done = cmd, done
	deadline := time.Now().Add(d.t.Limit(change))
	for r := d.ctr("version"); r.Code != 0; r = d.ctr("version") {
		if time.Now().After(deadline) || d.ended() {
			d.t.Fatalf("containerd does not answer: %s; its log ends with %s", r, d.tail())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (d *daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// tail is the end of containerd's log.
func (d *daemon) tail() string {
	b, _ := os.ReadFile(d.log.Name())
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	lines = slices.DeleteFunc(lines, func(s string) bool { return strings.Contains(s, "loading plugin") })
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// stop ends containerd by a signal and waits for its end.
func (d *daemon) stop(s syscall.Signal) {
	if err := d.cmd.Process.Signal(s); err != nil && !d.ended() {
		d.t.Errorf("stop containerd: %v", err)
	}
	select {
	case <-d.done:
	case <-time.After(d.t.Limit(change)):
		d.t.Errorf("containerd does not end at %v; its log ends with %s", s, d.tail())
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// end takes away all containers as a user would, ends containerd, and looks for
// what is left.
func (d *daemon) end() {
	defer func() { _ = d.log.Close() }()
	if d.ended() {
		d.start()
	}
	const rounds = 5 // a restart policy may start one again in between
	for range rounds {
		left := strings.Fields(d.ctr("containers", "ls", "-q").Stdout)
		if len(left) == 0 {
			break
		}
		for _, id := range left {
			d.ctr("tasks", "rm", "-f", id)
			d.ctr("containers", "rm", id)
		}
	}
	d.stop(syscall.SIGTERM)
	if d.proxy != nil {
		d.proxy.end()
	}
	d.nothingLeft()
}

// nothingLeft: mounts and the containers' own processes are the harness's to
// find.
func (d *daemon) nothingLeft() {
	var left []string
	look := func() bool {
		left = nil
		for pid, name := range owned.Named("containerd", "containerd-shim-runcell-v1", snapshotter, "nerdctl", "ctr", "runcell") {
			left = append(left, fmt.Sprintf("process %d, %s", pid, name))
		}
		for _, dir := range []string{sockets, filepath.Join(d.state, "io.containerd.runtime.v2.task"), filepath.Join(d.state, "runcell")} {
			left = append(left, h.Files(dir)...)
		}
		left = slices.DeleteFunc(left, func(path string) bool { return slices.Contains(d.before, path) })
		return len(left) == 0
	}
	for deadline := time.Now().Add(d.t.Limit(change)); !look() && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	if n := len(left); n > 0 {
		d.t.Errorf("%d left: %s", n, strings.Join(left[:min(n, 8)], ", "))
		d.t.Errorf("containerd's log ends with %s", d.tail())
	}
	if r := d.runcell("list", "--quiet"); r.Code != 0 || strings.TrimSpace(r.Stdout) != "" {
		d.t.Errorf("cells are left: %s", r)
	}
}

// runcell asks about the cells that the shims have made.
func (d *daemon) runcell(args ...string) h.CmdResult {
	return d.t.Do(call{Args: args, Global: []string{"--root", filepath.Join(d.state, "runcell", "default")}})
}

// client is a command line of ctr's or nerdctl's, which reaches this containerd.
func (d *daemon) client(name string, args ...string) call {
	env := append(d.t.Env(), "HOME="+d.t.Dir, "TMPDIR=/tmp")
	if d.proxy != nil {
		env = append(env, "CONTAINERD_SNAPSHOTTER=runcell")
	}
	if name == "nerdctl" {
		args = append([]string{"--data-root", d.t.Path("nerdctl")}, args...)
	}
	return call{Path: program(name), Args: append([]string{"--address", d.address}, args...), Global: []string{}, Env: env}
}

func (d *daemon) ctr(args ...string) h.CmdResult { return d.t.Do(d.client("ctr", args...)) }

func (d *daemon) nerdctl(args ...string) h.CmdResult { return d.t.Do(d.client("nerdctl", args...)) }

// ok is ctr, and it must succeed.
func (d *daemon) ok(args ...string) h.CmdResult { return d.good(d.ctr(args...)) }

// nerd is nerdctl, and it must succeed.
func (d *daemon) nerd(args ...string) h.CmdResult { return d.good(d.nerdctl(args...)) }

func (d *daemon) good(r h.CmdResult) h.CmdResult {
	if r.Code != 0 {
		d.t.Fatalf("want success: %s; containerd's log ends with %s", r, d.tail())
	}
	return r
}

// running starts a container in the background, whose program prints "ready".
func (d *daemon) running(id string, ops ...string) {
	if len(ops) == 0 {
		ops = []string{"sleep", "1000s"}
	}
	d.ok(append([]string{"run", "-d", image, id, h.ProbePath}, ops...)...)
	d.status(id, "RUNNING")
}

// status waits for a task's state.
func (d *daemon) status(id, want string) {
	eventually(d.t, func() bool {
		for line := range strings.Lines(d.ctr("tasks", "ls").Stdout) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == id && f[2] == want {
				return true
			}
		}
		return want == "none" && !strings.Contains(d.ctr("tasks", "ls").Stdout, id)
	}, "task %s is not %s", id, want)
}

// pid is the process of a task; 0: there is none.
func (d *daemon) pid(id string) int {
	for line := range strings.Lines(d.ok("tasks", "ls").Stdout) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == id {
			n, err := strconv.Atoi(f[1])
			d.t.Must("read pid", err)
			return n
		}
	}
	return 0
}

// metric is a number of those that ctr tasks metrics prints.
func (d *daemon) metric(id, name string) uint64 {
	r := d.ok("tasks", "metrics", id)
	for line := range strings.Lines(r.Stdout) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, err := strconv.ParseUint(f[1], 10, 64)
			d.t.Must("read "+name, err)
			return n
		}
	}
	d.t.Fatalf("no %s: %s", name, r)
	return 0
}

// eventually is eventually, and tells what containerd has said until then.
func (d *daemon) eventually(ok func() bool, what string) {
	for deadline := time.Now().Add(d.t.Limit(change)); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("in vain: %s; containerd's log ends with %s", what, d.tail())
		}
	}
}

// gone waits until a process has ended and was waited for.
func gone(t *t, pid int) {
	eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, "process %d is still there", pid)
}

// remove ends a container of running.
func (d *daemon) remove(id string) {
	d.ok("tasks", "kill", "-s", "SIGKILL", id)
	d.status(id, "STOPPED")
	d.ok("tasks", "rm", id)
	d.ok("containers", "rm", id)
}

// shims are the processes of the shims.
func shims() (pids []int) {
	for pid := range owned.Named("containerd-shim-runcell-v1") {
		pids = append(pids, pid)
	}
	return pids
}

// said wants a result with a status and a text on stdout.
func said(t *t, r h.CmdResult, code int, text string) {
	if r.Code != code || !strings.Contains(r.Stdout, text) {
		t.Errorf("%s; want status %d and %q", r, code, text)
	}
}
