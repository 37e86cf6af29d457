package main

// runcell image becomes another program; what that one does is tested there.

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestImageBecomesTheOtherProgram(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"sbin", "libexec", "elsewhere"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(dir, "sbin/runcell")
	if err := os.WriteFile(own, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "elsewhere/runcell")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	beside, libexec := filepath.Join(dir, "sbin/runcell-image"), filepath.Join(dir, "libexec/runcell-image")
	t.Setenv("PATH", filepath.Join(dir, "elsewhere"))
	for _, c := range []struct {
		line  string
		there []string // programs that are installed
		want  string   // the one that runs, or a part of the error
		code  int
	}{
		{"image unpack --platform x --strict a b", []string{beside, libexec}, beside, 0},
		{"--log-format json image pack --help", []string{libexec}, libexec, 0},
		{"image", []string{libexec}, libexec, 0},
		{"image -h", []string{libexec}, libexec, 0},
		{"help image unpack", []string{libexec}, libexec, 0},
		{"registry login --username image example.com", []string{libexec}, libexec, 0},
		{"help registry", []string{libexec}, libexec, 0},
		{"completion words registry logout x", []string{libexec}, libexec, 0},
		{"completion words image unpack x", []string{libexec}, libexec, 0},
		{"--rootless=auto image unpack state list", []string{libexec}, libexec, 0},
		{"image unpack a b", nil, "runcell-image is missing: install it as " + beside + " or " + libexec, 1},
		{"image unpack a b", []string{filepath.Join(dir, "elsewhere/runcell-image")}, "runcell-image is missing", 1},
	} {
		t.Run(c.line, func(t *testing.T) {
			var stderr bytes.Buffer
			var ran string
			var args, env []string
			a := newApp()
			a.Stdout, a.Stderr = &stderr, &stderr
			a.executable = func() (string, error) { return link, nil }
			a.become = func(path string, v, e []string) error {
				if !slices.Contains(c.there, path) {
					return fs.ErrNotExist
				}
				ran, args, env = path, v, e
				panic("a process that was replaced does not return")
			}
			line := append([]string{"runcell"}, strings.Fields(c.line)...)
			code := func() int {
				defer func() { _ = recover() }()
				return a.main(line)
			}()
			if code != c.code || !strings.Contains(ran+stderr.String(), c.want) {
				t.Fatalf("ran %q, stderr %q, code %d; want %q, code %d", ran, stderr.String(), code, c.want, c.code)
			}
			if code == 0 && (!slices.Equal(args, line) || !slices.Equal(env, os.Environ())) {
				t.Errorf("it got the arguments %q and %d variables; want its own", args, len(env))
			}
		})
	}
}

// The two programs as they are installed, called through a link, as one.
func TestInstalledPrograms(t *testing.T) {
	dir := t.TempDir()
	for name, pkg := range map[string]string{"sbin/runcell": ".", "libexec/runcell-image": "../runcell-image"} {
		cmd := exec.Command("go", "build", "-tags", "urfave_cli_no_template", "-o", filepath.Join(dir, name), pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	link := filepath.Join(dir, "runcell")
	if err := os.Symlink("sbin/runcell", link); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"image unpack --help", "help image unpack", "--debug image unpack -h"} {
		out, err := exec.Command(link, strings.Fields(args)...).Output()
		if err != nil || !strings.Contains(string(out), "runcell image unpack [options] IMAGE BUNDLE") {
			t.Errorf("runcell %s: %v\n%s", args, err, out)
		}
	}
	cmd := exec.Command(link, "image", "unpack", "a")
	out, err := cmd.CombinedOutput()
	if want := "runcell: image unpack needs two arguments"; cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), want) {
		t.Errorf("error %v, output %q; want %q", err, out, want)
	}
}

// What the image commands link would cost every command start-up time: every
// package runs its initialisation, and a bigger binary faults in more pages.
func TestRuncellLinksNoImageCode(t *testing.T) {
	for _, system := range []string{"linux", "netbsd"} {
		cmd := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_template", ".")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for pkg := range strings.Lines(string(out)) {
			pkg = strings.TrimSpace(pkg)
			for _, bad := range []string{
				"github.com/netbsd-cells/runcell/image", "github.com/opencontainers/image-spec", "github.com/opencontainers/go-digest",
				"github.com/klauspost/compress", "github.com/vbauerster/mpb", "archive/tar", "compress/gzip", "text/template", "net/http", "crypto/tls",
			} {
				if pkg == bad || strings.HasPrefix(pkg, bad+"/") {
					t.Errorf("on %s runcell links %s", system, pkg)
				}
			}
		}
	}
}
