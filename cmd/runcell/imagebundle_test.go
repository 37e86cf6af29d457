package main

// Containers of images: what the image program is asked to do, and the whole
// of it with the installed programs.

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/runtime"
)

// runWithImage runs a command line on a fake runtime and a fake image
// program, which makes and removes the bundle's directory.
func runWithImage(t *testing.T, f *fake, euid int, state string, line string) (spawned []string, stderr string, code int) {
	t.Helper()
	var errs bytes.Buffer
	a := newApp()
	a.Stdout, a.Stderr, a.euid = &errs, &errs, euid
	a.getenv = func(string) string { return state }
	a.open = func(string, string, bool) (engine, error) { return f, nil }
	a.reenter = func(int) (int, bool, error) { return 0, false, nil }
	a.executable = func() (string, error) { return "/proc/self/exe", nil }
	a.spawn = func(_ context.Context, cmd *exec.Cmd) error {
		spawned = append(spawned, strings.ReplaceAll(strings.Join(cmd.Args, " "), state, "STATE"))
		last := cmd.Args[len(cmd.Args)-1]
		if strings.Contains(strings.Join(cmd.Args, " "), "image bundle") {
			return os.Mkdir(last, 0o700)
		}
		return os.Remove(last)
	}
	code = a.main(append([]string{"runcell", "--root", state}, strings.Fields(line)...))
	a.Journal.Close()
	return spawned, errs.String(), code
}

func TestImageBundles(t *testing.T) {
	const (
		made = "runcell image bundle -- web STATE/@images/x"
		gone = "runcell image release -- STATE/@images/x"
	)
	for _, c := range []struct {
		line   string
		fake   fake
		euid   int
		there  bool // the bundle is there before
		want   string
		stays  bool
		stderr string
		code   int
	}{
		{line: "run --image web x", want: made + "|" + gone},
		{line: "run --image web x", fake: fake{status: 7}, want: made + "|" + gone, code: 7},
		{line: "run -d --image web x", want: made, stays: true},
		{line: "run --keep --image web x", fake: fake{status: 7}, want: made, stays: true, code: 7},
		{line: "run -d --image web x", fake: fake{err: errors.New("broken")}, want: made + "|" + gone, stderr: "broken", code: 1},
		{line: "create --image web x", want: made, stays: true},
		{line: "create --image web x", fake: fake{err: errors.New("broken")}, want: made + "|" + gone, stderr: "broken", code: 1},
		{
			line: "--strict create --image web --rootfs shared --store /s --platform linux/arm64 --reserve-ports x", stays: true,
			want: "runcell --strict image bundle --store /s --platform linux/arm64 --rootfs shared --reserve-ports -- web STATE/@images/x",
		},
		{line: "create --image web x", there: true, stays: true, stderr: "already exists", code: 1},
		{line: "create --image web --bundle /b x", stderr: "exclude each other", code: 1},
		{line: "create --rootfs shared x", stderr: "name one with --image", code: 1},
		{line: "create --image= x", stderr: "name one with --image", code: 1},
		{line: "create --image web ../x", stderr: "invalid character", code: 1},
		{line: "create --image web x", euid: 1000, stderr: "needs root", code: 1},
		{line: "delete x", there: true, want: gone},
		{line: "delete x"},
		{line: "delete --force x", there: true, want: gone},
		{line: "delete x", there: true, fake: fake{err: runtime.ErrNotExist}, stays: true, stderr: "does not exist", code: 1},
	} {
		t.Run(c.line, func(t *testing.T) {
			state := t.TempDir()
			if c.there {
				os.MkdirAll(filepath.Join(state, imageBundles, "x"), 0o700)
			}
			spawned, stderr, code := runWithImage(t, &c.fake, c.euid, state, c.line)
			if got := strings.Join(spawned, "|"); got != c.want || code != c.code || !strings.Contains(stderr, c.stderr) {
				t.Errorf("ran %q, code %d, stderr %q; want %q, %d, %q", got, code, stderr, c.want, c.code, c.stderr)
			}
			if _, err := os.Lstat(filepath.Join(state, imageBundles, "x")); (err == nil) != c.stays {
				t.Errorf("the bundle: %v; want there: %v", err, c.stays)
			}
			if c.want != "" && strings.Contains(c.want, "bundle") && c.fake.create.Bundle != filepath.Join(state, imageBundles, "x") {
				t.Errorf("the runtime got the bundle %q", c.fake.create.Bundle)
			}
		})
	}
}

// An image is run with the real programs, both ways, and nothing stays.
func TestRunImage(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"runcell", "runcell-image"} {
		cmd := exec.Command("go", "build", "-tags", "urfave_cli_no_template", "-o", filepath.Join(dir, name), "../"+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	run := func(stdin string, args ...string) (string, int) {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, "runcell"), append([]string{"--root", dir + "/state"}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		// A file, because a created container keeps its output open.
		out, err := os.Create(dir + "/output")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(dir + "/output")
		return string(data), cmd.ProcessState.ExitCode()
	}
	must := func(stdin string, args ...string) string {
		t.Helper()
		out, code := run(stdin, args...)
		if code != 0 {
			t.Fatalf("runcell %q: status %d, %s", args, code, out)
		}
		return out
	}
	rootfs := dir + "/rootfs"
	os.MkdirAll(rootfs+"/bin", 0o755)
	os.MkdirAll(rootfs+"/tmp", 0o755)
	if out, err := exec.Command("cp", "/bin/busybox", rootfs+"/bin/sh").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n(this test needs Debian's busybox-static)", err, out)
	}
	must("", "image", "pack", "--cmd", "/bin/sh", rootfs, "oci:"+dir+"/layout:v1")
	must("", "image", "import", "-q", "--store", dir+"/store", "oci:"+dir+"/layout:v1", "web")
	script := "echo here >/tmp/f && read line </tmp/f && echo $line; (echo x >/x) 2>/dev/null && echo writable; exit 5"
	for rootfs, want := range map[string]string{"copy": "here\nwritable\n", "shared": "here\n"} {
		out, code := run(script, "run", "--image", "web", "--store", dir+"/store", "--rootfs", rootfs, "t")
		if out != want || code != 5 {
			t.Errorf("run --rootfs %s: status %d, %q; want 5, %q", rootfs, code, out, want)
		}
	}
	defer run("", "delete", "--force", "t")
	must("", "create", "--image", "web", "--store", dir+"/store", "t")
	if out, code := run("", "create", "--image", "web", "--store", dir+"/store", "t"); code != 1 || !strings.Contains(out, "already exists") {
		t.Errorf("created twice: status %d, %q", code, out)
	}
	if out := must("", "delete", "t"); !strings.Contains(out, "t: removed "+dir+"/state/@images/t") {
		t.Errorf("delete says %q; want which files are gone", out)
	}
	// The root is held by what runs on it, not by where its bundle was.
	for _, rootfs := range []string{"copy", "shared"} {
		must("", "create", "--image", "web", "--store", dir+"/store", "--rootfs", rootfs, "t")
		bundle, moved := dir+"/state/@images/t", dir+"/moved"
		if err := os.Rename(bundle, moved); err != nil {
			t.Fatal(err)
		}
		must("", "image", "rm", "--store", dir+"/store", "web")
		must("", "image", "gc", "--store", dir+"/store")
		if list, _ := filepath.Glob(dir + "/store/*/*/rootfs/bin/sh"); len(list) == 0 {
			t.Errorf("gc removed the root (%s) of a cell that runs", rootfs)
		}
		if err := os.Rename(moved, bundle); err != nil {
			t.Fatal(err)
		}
		must("", "delete", "--force", "t")
		must("", "image", "import", "-q", "--store", dir+"/store", "oci:"+dir+"/layout:v1", "web")
		must("", "image", "gc", "--store", dir+"/store")
	}
	if out, code := run("", "run", "--image", "nothing", "--store", dir+"/store", "t"); code != 1 || strings.Count(out, "\n") != 1 {
		t.Errorf("run of a missing image: status %d, %q; want one line", code, out)
	}
	must("", "image", "rm", "--store", dir+"/store", "web")
	must("", "image", "gc", "--store", dir+"/store")
	for _, left := range []string{"state/@images/*", "store/cells/*", "store/unpacked/*", "store/ingest/*", "store/blobs/*/*"} {
		if list, _ := filepath.Glob(dir + "/" + left); len(list) > 0 {
			t.Errorf("left behind: %q", list)
		}
	}
}
