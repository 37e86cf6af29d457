// Package pkg checks the pkgsrc packages against the sources.
package pkg

import (
	"errors"
	"flag"
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

var update = flag.Bool("update", false, "write the packages' PLIST anew")

// pkgsrc is what the packages need of pkgsrc's own makefiles.
const pkgsrc = `
PREFIX=		/usr/pkg
PKGMANDIR=	man
WRKSRC=		${.CURDIR}/../../tree
RUN=		@
SETENV=		env
MAKE_PROGRAM=	${MAKE}
INSTALL_DATA=	install -m 444
INSTALL_MAN=	install -m 444
PKGVERSION_NOREV=	0.1.0
do-build do-install install-dirs:
install-dirs:
	mkdir -p ${INSTALLATION_DIRS:@d@${DESTDIR}${PREFIX}/${d}@} ${DESTDIR}
`

// tree copies what the packages take from a release, with a compiler and a module
// that are empty.
func tree(t *testing.T, to string) {
	t.Helper()
	for _, name := range []string{"Makefile", "README.md", "CHANGES.md", "LICENSE", "docs", "etc/rc.d", "pkg/containerd/rc.d", "cmd/runcell/completion", "kmod/secmodel_cell/secmodel_cell.9"} {
		err := filepath.WalkDir(filepath.Join("..", name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				copyFile(t, path, filepath.Join(to, strings.TrimPrefix(path, "../")))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Instead of the compiler: go build ... -o FILE PACKAGE.
	script := "#!/bin/sh\nwhile [ $# -gt 2 ]; do [ \"$1\" = -o ] && mkdir -p bin && : >\"$2\"; shift; done\n"
	for name, text := range map[string]string{"fake-go": script, "kmod/secmodel_cell/secmodel_cell.kmod": ""} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// namesItself checks that what is installed for shells and rc(8) names the
// programs where they are.
func namesItself(t *testing.T, root, prefix string) {
	t.Helper()
	for _, f := range files(t, root) {
		want := ""
		switch {
		case strings.Contains(f, "complet") || strings.Contains(f, "site-functions"):
			want = prefix + "/sbin/runcell completion words"
		case strings.HasPrefix(f, "/etc/rc.d/runcell"):
			want = `"` + prefix + `/sbin/runcell"`
		case strings.HasPrefix(f, "/etc/rc.d/"):
			want = prefix + "/libexec/secmodel_cell.kmod"
		case strings.Contains(f, "/examples/runcell/rc.d/"):
			want = prefix + "/sbin/containerd"
		}
		if b, err := os.ReadFile(filepath.Join(root, f)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s does not name %s, %v", f, want, err)
		}
	}
}

// The packages' own makefiles are run by NetBSD's make, and what they install is
// what they say.
func TestInstallPackages(t *testing.T) {
	for _, name := range []string{"runcell", "secmodel_cell"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree(t, filepath.Join(dir, "tree"))
			for _, file := range []string{"mk/bsd.pkg.mk", "mk/bsd.prefs.mk", "lang/go/go-module.mk"} {
				text := ""
				if file == "mk/bsd.pkg.mk" {
					text = pkgsrc
				}
				if err := errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o755), os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range []string{"Makefile", "go-modules.mk"} {
				if name == "runcell" || file == "Makefile" {
					copyFile(t, filepath.Join(name, file), filepath.Join(dir, "wip", name, file))
				}
			}
			root := filepath.Join(dir, "root")
			cmd := exec.Command("bmake", "-C", filepath.Join(dir, "wip", name), "install-dirs", "do-build", "do-install", "DESTDIR="+root, "GO="+filepath.Join(dir, "tree/fake-go"), "BSDSRCDIR="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("bmake install (Debian: bmake): %v\n%s", err, out)
			}
			got := files(t, root)
			if *update {
				writePlist(t, name, got)
			}
			if want := plist(t, name); !slices.Equal(got, want) {
				t.Errorf("installed:\n%q\nwant:\n%q", got, want)
			}
			namesItself(t, root, "/usr/pkg")
		})
	}
}

// An admin of NetBSD installs the same, and the scripts, by both makes.
func TestInstall(t *testing.T) {
	want := []string{"/etc/rc.d/runcell", "/etc/rc.d/secmodel_cell"}
	for _, f := range plist(t, "runcell") {
		f = strings.Replace(f, "/usr/pkg/man/", "/usr/local/share/man/", 1)
		want = append(want, strings.Replace(f, "/usr/pkg/", "/usr/local/", 1))
	}
	slices.Sort(want)
	for _, program := range []string{"make", "bmake"} {
		dir := t.TempDir()
		tree(t, dir)
		root := filepath.Join(dir, "root")
		cmd := exec.Command(program, "-C", dir, "install", "GO="+filepath.Join(dir, "fake-go"), "DESTDIR="+root, "RCDIR=/etc/rc.d")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s install: %v\n%s", program, err, out)
		}
		got := files(t, root)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s installed:\n%q\nwant:\n%q", program, got, want)
		}
		namesItself(t, root, "/usr/local")
	}
}

// What pkgsrc asks of each file.
func TestIDs(t *testing.T) {
	for _, file := range []string{"runcell/Makefile", "runcell/PLIST", "runcell/go-modules.mk", "secmodel_cell/Makefile", "secmodel_cell/PLIST"} {
		b, err := os.ReadFile(file)
		first, _, _ := strings.Cut(string(b), "\n")
		if err != nil || first != "# $NetBSD$" && first != "@comment $NetBSD$" {
			t.Errorf("%s begins with %q, %v", file, first, err)
		}
	}
}

func plist(t *testing.T, name string) (list []string) {
	t.Helper()
	b, err := os.ReadFile(name + "/PLIST")
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

func writePlist(t *testing.T, name string, list []string) {
	t.Helper()
	text := "@comment $NetBSD$\n"
	for _, f := range list {
		text += strings.TrimPrefix(f, "/usr/pkg/") + "\n"
	}
	if err := os.WriteFile(name+"/PLIST", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
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
