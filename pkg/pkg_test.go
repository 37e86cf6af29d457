// Package pkg checks the pkgsrc package against the sources.
package pkg

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestModules(t *testing.T) {
	sums, err := os.Open("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	defer sums.Close()
	cmd := exec.Command("/bin/sh", "runcell/go-modules.sh")
	cmd.Stdin = sums
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("runcell/go-modules.mk")
	if err != nil || string(got) != string(want) {
		t.Errorf("go-modules.mk is not what go.sum says (%v): sh pkg/runcell/go-modules.sh <go.sum >pkg/runcell/go-modules.mk", err)
	}
}

// TestInstall installs as the package does, with empty programs, and compares
// with PLIST; then as an admin of NetBSD does.
func TestInstall(t *testing.T) {
	for _, c := range []struct {
		name string
		vars []string
		want func(t *testing.T) []string
	}{
		{"pkgsrc", []string{"PREFIX=/usr/pkg", "MANDIR=/usr/pkg/man", "RCDIR="}, plist},
		{"netbsd", []string{"RCDIR=/etc/rc.d"}, func(*testing.T) []string {
			return []string{
				"/etc/rc.d/runcell", "/usr/local/libexec/runcell-image", "/usr/local/sbin/containerd-shim-runcell-v1",
				"/usr/local/sbin/containerd-snapshotter-runcell", "/usr/local/sbin/runcell",
				"/usr/local/share/bash-completion/completions/runcell", "/usr/local/share/fish/vendor_completions.d/runcell.fish",
				"/usr/local/share/man/man8/runcell.8", "/usr/local/share/zsh/site-functions/_runcell",
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{
				"Makefile", "docs/runcell.8", "etc/rc.d/runcell",
				"cmd/runcell/completion/runcell.bash", "cmd/runcell/completion/runcell.zsh", "cmd/runcell/completion/runcell.fish",
			} {
				copyFile(t, filepath.Join("..", name), filepath.Join(dir, name))
			}
			// Instead of the compiler: go build ... -o FILE PACKAGE.
			fakeGo := filepath.Join(dir, "fake-go")
			script := "#!/bin/sh\nwhile [ $# -gt 2 ]; do [ \"$1\" = -o ] && mkdir -p bin && : >\"$2\"; shift; done\n"
			if err := os.WriteFile(fakeGo, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			root := filepath.Join(dir, "root")
			cmd := exec.Command("make", append([]string{"-C", dir, "install", "GO=" + fakeGo, "DESTDIR=" + root}, c.vars...)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("make install: %v\n%s", err, out)
			}
			if got, want := files(t, root), c.want(t); !slices.Equal(got, want) {
				t.Errorf("installed:\n%q\nwant:\n%q", got, want)
			}
			if b, err := os.ReadFile(filepath.Join(root, "etc/rc.d/runcell")); err == nil && !strings.Contains(string(b), `"/usr/local/sbin/runcell"`) {
				t.Error("the rc.d script does not name the installed program")
			}
			for _, f := range files(t, root) {
				if !strings.Contains(f, "complet") && !strings.Contains(f, "site-functions") {
					continue
				}
				b, err := os.ReadFile(filepath.Join(root, f))
				if err != nil || !strings.Contains(string(b), strings.Split(f, "/share/")[0]+"/sbin/runcell completion words") {
					t.Errorf("%s does not name the installed program, %v", f, err)
				}
			}
		})
	}
}

func plist(t *testing.T) (list []string) {
	b, err := os.ReadFile("runcell/PLIST")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if !strings.HasPrefix(line, "@") {
			list = append(list, "/usr/pkg/"+line)
		}
	}
	return list
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// files lists the files below a directory, as seen from there.
func files(t *testing.T, root string) (list []string) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
