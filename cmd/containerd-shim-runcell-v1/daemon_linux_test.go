package main

// A containerd of the test's own: its directories and sockets are the test's, and
// what is left of them at the end is a failure. CONTAINERD names a directory with
// another one than Debian's.

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/conformance/clients"
	"golang.org/x/sys/unix"
)

var shimBin, snapshotterBin string // TestMain builds them

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "shim-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shimBin, snapshotterBin = filepath.Join(dir, "containerd-shim-runcell-v1"), filepath.Join(dir, "containerd-snapshotter-runcell")
	build := exec.Command("go", "build", "-o", dir, ".", "../containerd-snapshotter-runcell")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// daemon is a containerd.
type daemon struct {
	t        *testing.T
	dir, bin string
	cmd      *exec.Cmd
	wrap     []string  // a command that runs containerd
	proxy    *exec.Cmd // the snapshotter, if it is ours
	ids      []string  // that containers had
}

func newDaemon(t *testing.T, snapshotter string) *daemon {
	t.Helper()
	d := prepareDaemon(t, snapshotter)
	d.begin()
	return d
}

// prepareDaemon gives one that begin starts.
func prepareDaemon(t *testing.T, snapshotter string) *daemon {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("", "shimd") // short: names of sockets are
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, dir: dir, bin: cmp.Or(os.Getenv("CONTAINERD"), "/usr/bin")}
	if snapshotter == "" {
		snapshotter = "native"
		if overlays(t) {
			snapshotter = "overlayfs"
		}
	}
	config := clients.Containerd(dir) + fmt.Sprintf(`[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/%s"
  snapshotter = "%s"
`, runtime.GOARCH, snapshotter)
	if snapshotter == "runcell" {
		config += fmt.Sprintf("[proxy_plugins]\n  [proxy_plugins.runcell]\n    type = \"snapshot\"\n    address = %q\n", d.dir+"/snap.sock")
		d.startProxy()
	}
	busybox, err := clients.Image()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config.toml"), []byte(config))
	write(t, filepath.Join(dir, "busybox.tar"), busybox)
	t.Setenv("CONTAINERD_SNAPSHOTTER", snapshotter)
	t.Setenv("CONTAINERD_NAMESPACE", d.namespace())
	return d
}

func (d *daemon) begin() {
	d.t.Helper()
	d.start()
	d.t.Cleanup(d.end)
	d.must("image", "import", "--snapshotter", os.Getenv("CONTAINERD_SNAPSHOTTER"), filepath.Join(d.dir, "busybox.tar"))
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (d *daemon) start() {
	d.t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	line := append(slices.Clone(d.wrap), filepath.Join(d.bin, "containerd"), "--config", filepath.Join(d.dir, "config.toml"))
	d.cmd = exec.Command(line[0], line[1:]...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatalf("start containerd: %v", err)
	}
	d.eventually("containerd answers", time.Minute, func() bool {
		_, code := d.ctr("version")
		return code == 0
	})
}

// namespace is containerd's for the containers. It is a part of their cgroups'
// paths, which are the machine's: another run of the tests has another.
func (d *daemon) namespace() string { return filepath.Base(d.dir) }

// kill ends containerd without a warning.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// ctr runs a command, and gives what it prints and its status.
func (d *daemon) ctr(args ...string) (string, int) { return d.ctrIn("", args...) }

// ctrIn gives what it has said of an error if it has printed nothing else.
func (d *daemon) ctrIn(stdin string, args ...string) (string, int) {
	out, errs, code := d.ctrAll(stdin, args...)
	if code != 0 && out == "" {
		return errs, code
	}
	return out, code
}

func (d *daemon) ctrAll(stdin string, args ...string) (out, errs string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "ctr"), append([]string{"--address", filepath.Join(d.dir, "c.sock")}, args...)...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	var printed, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", fmt.Sprintf("%s%v", &said, err), -1
	}
	return printed.String(), said.String(), cmd.ProcessState.ExitCode()
}

func (d *daemon) must(args ...string) string {
	d.t.Helper()
	out, code := d.ctr(args...)
	if code != 0 {
		d.t.Fatalf("ctr %s: status %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// run gives the arguments of a run with the shim; flags come before the image.
func (d *daemon) run(flags []string, id string, program ...string) []string {
	return d.runWith(shimBin, flags, id, program...)
}

func (d *daemon) runWith(runtime string, flags []string, id string, program ...string) []string {
	d.ids = append(d.ids, id)
	return append(append(append([]string{"run", "--runtime", runtime}, flags...), clients.ImageName, id), program...)
}

// runcShim is containerd's own shim.
func (d *daemon) runcShim() string { return filepath.Join(d.bin, "containerd-shim-runc-v2") }

// remove takes a container away, whatever state it is in.
func (d *daemon) remove(id string) {
	d.eventually("container "+id+" is removed", time.Minute, func() bool {
		d.ctr("task", "rm", "--force", id)
		d.ctr("container", "rm", id)
		out, code := d.ctr("container", "ls", "--quiet")
		return code == 0 && !strings.Contains("\n"+out, "\n"+id+"\n")
	})
}

// shims are the processes of shims of this containerd, of all or of one container.
func (d *daemon) shims(ids ...string) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range dirs {
		line, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		if bytes.Contains(line, []byte("containerd-shim-runcell-v1\x00")) && bytes.Contains(line, []byte(d.dir+"/c.sock\x00")) &&
			(len(ids) == 0 || bytes.Contains(line, []byte("\x00-id\x00"+ids[0]+"\x00"))) {
			pid, _ := strconv.Atoi(filepath.Base(p))
			pids = append(pids, pid)
		}
	}
	return pids
}

// taskPid is the pid of a task's first process, 0 if it has none that lives.
func (d *daemon) taskPid(id string) int {
	pid, status := d.task(id)
	if status != "RUNNING" {
		return 0
	}
	return pid
}

// status is what containerd says a task is.
func (d *daemon) status(id string) string {
	_, status := d.task(id)
	return status
}

func (d *daemon) task(id string) (pid int, status string) {
	out, _ := d.ctr("task", "ls")
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == id {
			pid, _ := strconv.Atoi(f[1])
			return pid, f[2]
		}
	}
	return 0, ""
}

func (d *daemon) eventually(what string, limit time.Duration, is func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
			d.t.Fatalf("not in %v: %s\n%s", limit, what, log[max(0, len(log)-3000):])
		}
	}
}

// end looks for what is left, and stops containerd.
func (d *daemon) end() {
	for _, id := range strings.Fields(must2(d.ctr("container", "ls", "--quiet"))) {
		d.remove(id)
	}
	// A shim that never got a container stays for some time.
	d.eventually("the shims have ended", 90*time.Second, func() bool { return len(d.shims()) == 0 })
	// containerd cleans up after a dead shim when it hears of it.
	d.eventually("nothing is left of the containers: "+strings.Join(d.left(), " "), 30*time.Second, func() bool { return len(d.left()) == 0 })
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
	d.endProxy()
	table, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		switch own := strings.HasPrefix(f[1], filepath.Join(os.TempDir(), "containerd-mount")); {
		case !strings.Contains(line, d.dir):
		case own: // to look into an image, when it was killed
			_ = unix.Unmount(f[1], unix.MNT_DETACH)
		default:
			d.t.Errorf("mount left: %s", line)
		}
	}
	for _, id := range d.ids {
		if _, err := os.Lstat(d.socket(id)); err == nil {
			d.t.Errorf("socket left of %s: %s", id, d.socket(id))
		}
	}
	if d.t.Failed() {
		log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
		d.t.Logf("containerd's log:\n%s", log[max(0, len(log)-5000):])
	}
	if err := os.RemoveAll(d.dir); err != nil {
		d.t.Error(err)
	}
}

// left is what there is of containers in the state directories.
func (d *daemon) left() (names []string) {
	for _, dir := range []string{filepath.Join("runcell", d.namespace()), filepath.Join("io.containerd.runtime.v2.task", d.namespace())} {
		entries, _ := os.ReadDir(filepath.Join(d.dir, "state", dir))
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "@") { // no container's
				names = append(names, filepath.Join(dir, e.Name()))
			}
		}
	}
	return names
}

// socket is where the shim of a container listens that is in no group.
func (d *daemon) socket(id string) string {
	return fmt.Sprintf("/run/containerd/s/%x", sha256.Sum256([]byte(filepath.Join(d.dir, "c.sock", d.namespace(), id))))
}

// forgive removes the socket of a shim that was killed before containerd knew it.
func (d *daemon) forgive(id string) {
	if len(d.shims(id)) == 0 {
		_ = os.Remove(d.socket(id))
	}
}

// logOf is what containerd and the shims have said of a container.
func (d *daemon) logOf(id string) string {
	text, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	var of strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "id="+id+" ") || strings.Contains(line, id+"-stdout") || strings.Contains(line, id+"-stderr") {
			of.WriteString(line)
		}
	}
	return of.String()
}

func must2(out string, _ int) string { return out }

// overlays tells whether overlayfs works where tests have their files.
func overlays(t *testing.T) bool {
	dir := t.TempDir()
	var options []string
	for _, part := range []string{"lower", "upper", "work"} {
		options = append(options, part+"dir="+filepath.Join(dir, part))
		if err := os.Mkdir(filepath.Join(dir, part), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	target := filepath.Join(dir, "lower")
	if err := unix.Mount("overlay", target, "overlay", 0, strings.Join(options, ",")); err != nil {
		return false
	}
	return unix.Unmount(target, 0) == nil
}
