package docs_test

// The blocks that are marked "linux", as they are printed: a page at a time, in an
// empty directory, with the project's programs and what its earlier blocks made.

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/console"
	"golang.org/x/sys/unix"
)

// inside marks the process that has namespaces of its own.
const inside = "RUNCELL_TEST_PAGES"

// private are the directories that the programs use if nobody says otherwise.
var private = []string{"/run", "/var/log", "/var/lib", "/tmp", "/srv"}

// copied is private, too, and has what the machine has there.
const copied = "/etc"

func TestPagesOnLinux(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("wants root: it makes namespaces")
	}
	if os.Getenv(inside) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"="+t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil || strings.Contains(string(out), "--- SKIP") {
			t.Errorf("in namespaces of its own: %v", err)
		}
		return
	}
	programs := prepare(t)
	for _, page := range sorted(pages(t)) {
		steps, err := console.Page(page.text, console.Linux)
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) > 0 {
			t.Run(page.name, func(t *testing.T) { play(t, programs, page, steps) })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		t.Run(name, func(t *testing.T) {
			play(t, programs, page{name: "docs/" + name}, exampleSteps(t, name, examples[name]))
		})
	}
}

// prepare builds the programs and hides the machine's own directories.
func prepare(t *testing.T) string {
	programs := filepath.Join(os.Getenv(inside), "sbin")
	for _, name := range []string{"runcell", "runcell-image"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(programs, name), "../cmd/"+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	for _, dir := range private {
		to := filepath.Join(os.Getenv(inside), "private", dir)
		err = errors.Join(err, os.MkdirAll(to, 0o755))
		if strings.HasPrefix(to, dir+"/") {
			continue // it would hide itself, and is a directory of our own
		}
		err = errors.Join(err, unix.Mount(to, dir, "", unix.MS_BIND, ""))
	}
	to := filepath.Join(os.Getenv(inside), "private", copied)
	if out, cerr := exec.Command("cp", "-a", copied, to).CombinedOutput(); cerr != nil {
		t.Fatalf("copy %s: %v\n%s", copied, cerr, out)
	}
	err = errors.Join(err, unix.Mount(to, copied, "", unix.MS_BIND, ""))
	if err != nil {
		t.Fatal(err)
	}
	return programs
}

type page struct{ name, text string }

func sorted(texts map[string]string) (list []page) {
	for name, text := range texts {
		list = append(list, page{name, text})
	}
	slices.SortFunc(list, func(a, b page) int { return strings.Compare(a.name, b.name) })
	return list
}

func play(t *testing.T, programs string, p page, steps []console.Step) {
	dir := filepath.Join(os.Getenv(inside), strings.ReplaceAll(p.name, "/", "-"))
	if !strings.Contains(p.name, "/") { // the README speaks of the tree
		copyTree(t, "..", dir)
	}
	for _, d := range []string{dir, dir + ".state"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shell := &console.Shell{Command: []string{"/bin/sh", "-c"}, Dir: dir, State: dir + ".state", Env: append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "LC_ALL=C")}
	for _, s := range steps {
		lines, err := shell.Play(&s)
		t.Logf("# %s\n%s", s.Command, strings.Join(lines, "\n"))
		if err != nil {
			t.Errorf("%s: # %s: %v", p.name, s.Command, err)
			break
		}
	}
	if lines, _, err := shell.Type("runcell list --quiet"); err != nil || len(lines) > 0 {
		t.Errorf("%s leaves containers: %q, %v", p.name, lines, err)
		_, _, _ = shell.Type("for id in $(runcell list --quiet); do runcell delete --force $id; done")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), " "+dir+"/") {
		t.Errorf("%s leaves mounts: %v\n%s", p.name, err, mounts)
	}
}

// copyTree copies the sources, and nothing that was built.
func copyTree(t *testing.T, from, to string) {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, from)
		switch {
		case err != nil:
			return err
		case name == "/bin" || name == "/.git":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(to+name, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to+name, b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
