package main

// A world of its own for the installed programs: state, store, data, and an
// image with a shell in it.

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

type world struct {
	*testing.T
	dir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root")
	}
	w := &world{t, t.TempDir()}
	for _, name := range []string{"runcell", "runcell-image"} {
		cmd := exec.Command("go", "build", "-tags", "urfave_cli_no_template", "-o", filepath.Join(w.dir, name), "../"+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	rootfs := w.dir + "/rootfs"
	for _, sub := range []string{"/bin", "/tmp"} {
		if err := os.MkdirAll(rootfs+sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", "/bin/busybox", rootfs+"/bin/sh").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n(this test needs Debian's busybox-static)", err, out)
	}
	w.image("web:1", "one")
	t.Cleanup(func() { // whatever fails, nothing stays
		w.run("stop", "--all", "--time", "0")
		for id := range strings.Lines(w.out("list", "--quiet")) {
			w.run("delete", "--force", strings.TrimSpace(id))
		}
	})
	return w
}

// image puts an image into the store whose file /version says so.
func (w *world) image(name, version string) {
	w.Helper()
	w.write("rootfs/version", version+"\n")
	w.ok("image", "pack", "--store", w.dir+"/store", "--entrypoint", "/bin/sh", "--cmd", "-c", "--cmd", "cat /version", w.dir+"/rootfs", name)
}

func (w *world) write(name, text string) string {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
	return path
}

func (w *world) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(w.dir, name))
	return string(b)
}

// begin starts runcell on this world's state.
func (w *world) begin(args ...string) (*exec.Cmd, *bytes.Buffer) {
	w.Helper()
	cmd := exec.Command(w.dir+"/runcell", append([]string{"--root", w.dir + "/state"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // who stays in the background has no output of ours
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, &out
}

func (w *world) run(args ...string) (out string, status int) {
	w.Helper()
	cmd, buf := w.begin(args...)
	_ = cmd.Wait()
	for line := range strings.Lines(buf.String()) {
		if twice := saysTwice(line); strings.HasPrefix(line, "runcell: ") && twice != "" {
			w.Errorf("%q: %s says twice %q", args, line, twice)
		}
	}
	return buf.String(), cmd.ProcessState.ExitCode()
}

func (w *world) out(args ...string) string {
	out, _ := w.run(args...)
	return out
}

func (w *world) ok(args ...string) string {
	w.Helper()
	out, status := w.run(args...)
	if status != 0 {
		w.Fatalf("runcell %q: status %d, %s", args, status, out)
	}
	return out
}

func (w *world) until(what string, f func() bool) {
	w.Helper()
	for began := time.Now(); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			w.Fatalf("a minute is over, and not %s", what)
		}
	}
}

// ended waits for a runcell and gives its status.
func (w *world) ended(cmd *exec.Cmd) int {
	w.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	defer timer.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}
