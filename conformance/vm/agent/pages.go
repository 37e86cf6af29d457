package main

// The commands of the documentation's pages that are marked "netbsd", typed in the
// guest as they are printed. The guest has a kernel and the project's programs; for
// what else a NetBSD has there are stand-ins, unless it has a userland: this program
// under other names, and busybox for Linux, by the kernel's emulation.

import (
	"archive/tar"
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/console"
	"github.com/netbsd-cells/runcell/docs"
	"github.com/ulikunitz/xz"
)

const (
	// mirrorVar names the directory that has the files of a mirror.
	mirrorVar = "RUNCELL_PAGES_MIRROR"
	// moduleVar names the module's file, which modload(8) would look for.
	moduleVar = "RUNCELL_PAGES_MODULE"
)

// standIns are this program's other names.
var standIns = map[string]func(args []string) error{"ftp": ftp, "install": install, "modload": modload, "sysctl": showSysctl}

// pagesRun is a run through the pages.
type pagesRun struct {
	busybox, dir string
	before       string // what the shell is given before each command
	env          []string
	points       int
	failed       int
}

// pages types the pages' commands: busybox is a static one, module the file of
// secmodel_cell. rescue is where NetBSD has static programs.
func pages(busybox, module, rescue string) (err error) {
	dir, err := os.MkdirTemp("/tmp", "pages-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	r := &pagesRun{busybox: busybox, dir: dir}
	if err := errors.Join(r.tools(rescue), r.mirror()); err != nil {
		return err
	}
	r.env = append(os.Environ(), "PATH="+r.path(), mirrorVar+"="+dir+"/mirror", moduleVar+"="+module)
	if userland() {
		if err := installModule(module); err != nil {
			return err
		}
	}
	fmt.Println("TAP version 14")
	if err := r.all(console.NetBSD, r.page); err != nil {
		return err
	}
	if err := r.end(); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// userland says whether the guest has a NetBSD's own programs and rc(8).
func userland() bool {
	_, err := os.Stat("/etc/rc")
	return err == nil
}

// path is where commands are found: what stands for a program comes after it.
func (r *pagesRun) path() string {
	if userland() {
		return os.Getenv("PATH") + ":" + r.dir + "/tools"
	}
	return r.dir + "/tools:" + os.Getenv("PATH")
}

// shell is what commands are typed into, in a directory.
func (r *pagesRun) shell(dir, state string) *console.Shell {
	s := &console.Shell{Command: []string{r.busybox, "sh", "-c"}, Dir: dir, State: state, Env: r.env, Before: r.functions() + r.before}
	if userland() {
		s.Command, s.Before = []string{"/bin/sh", "-c"}, unloadable+r.before
	}
	return s
}

// unloadable has modload(8) load modules so that secmodel_cell can be unloaded.
const unloadable = `
modload() { /sbin/modload -b unload=true "$@"; }
`

// all plays the steps of each page that are typed at a place.
func (r *pagesRun) all(where string, play func(name string, steps []console.Step) error) error {
	entries, err := docs.Pages.ReadDir(".")
	if err != nil {
		return fmt.Errorf("list pages: %w", err)
	}
	for _, e := range entries {
		text, err := docs.Pages.ReadFile(e.Name())
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		steps, err := console.Page(string(text), where)
		if err != nil {
			return fmt.Errorf("docs/%s: %w", e.Name(), err)
		}
		if err := play(e.Name(), steps); err != nil {
			return err
		}
	}
	return nil
}

// end ends the document.
func (r *pagesRun) end() error {
	fmt.Printf("1..%d\n# %d passed, %d failed, 0 skipped\n", r.points, r.points-r.failed, r.failed)
	if r.failed > 0 {
		return fmt.Errorf("%d commands of the pages failed", r.failed)
	}
	return nil
}

// page is one session; its containers have to be gone at its end.
func (r *pagesRun) page(name string, steps []console.Step) error {
	if len(steps) == 0 {
		return nil
	}
	shell := r.shell(filepath.Join(r.dir, name), filepath.Join(r.dir, name+".state"))
	if err := errors.Join(os.MkdirAll(shell.Dir, 0o755), os.Mkdir(shell.State, 0o755)); err != nil {
		return fmt.Errorf("make directory of page: %w", err)
	}
	for _, s := range append(steps, console.Step{Command: "runcell list --quiet"}) {
		lines, err := shell.Play(&s)
		fmt.Printf("# # %s\n", strings.ReplaceAll(s.Command, "\n", "\n# > "))
		for _, line := range lines {
			fmt.Printf("#   %s\n", line)
		}
		r.points++
		if err == nil {
			fmt.Printf("ok %d - %s, line %d\n", r.points, name, s.Line)
			continue
		}
		r.failed++
		fmt.Printf("not ok %d - %s, line %d\n  ---\n  message: %q\n  ...\n", r.points, name, s.Line, err)
	}
	return nil
}

// functions are the stand-ins for busybox's shell, which takes its own programs
// before those of PATH.
func (r *pagesRun) functions() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(standIns)) {
		fmt.Fprintf(&b, "%s() { %s \"$@\"; }\n", name, filepath.Join(r.dir, "tools", name))
	}
	return b.String()
}

// tools makes the directories of what a NetBSD has. busybox goes by the name that
// it is called by.
func (r *pagesRun) tools(rescue string) error {
	tools := filepath.Join(r.dir, "tools")
	program := r.busybox
	r.busybox = filepath.Join(tools, "busybox")
	if err := errors.Join(os.MkdirAll(tools, 0o755), os.MkdirAll(rescue, 0o755), os.Symlink(program, r.busybox)); err != nil {
		return fmt.Errorf("make tools: %w", err)
	}
	out, err := exec.Command(r.busybox, "--list").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ask busybox: %w: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	var errs []error
	for name := range standIns {
		errs = append(errs, os.Symlink(self, filepath.Join(tools, name)))
	}
	for _, name := range strings.Fields(string(out)) {
		if standIns[name] == nil && name != "busybox" {
			errs = append(errs, os.Symlink(program, filepath.Join(tools, name)))
		}
	}
	for _, name := range []string{"sh", "ls", "sleep"} {
		if _, err := os.Lstat(filepath.Join(rescue, name)); err != nil { // a userland has its own
			errs = append(errs, os.Symlink(program, filepath.Join(rescue, name)))
		}
	}
	return errors.Join(errs...)
}

// mirror makes what a mirror of NetBSD has, small: a set with a shell, another one
// with a user, and their checksums.
func (r *pagesRun) mirror() error {
	shell, err := os.ReadFile(r.busybox)
	if err != nil {
		return fmt.Errorf("read busybox: %w", err)
	}
	sums, errs := "", []error{os.MkdirAll(filepath.Join(r.dir, "mirror"), 0o755)}
	for _, set := range []struct {
		name  string
		files map[string][]byte
	}{
		{"base.tar.xz", map[string][]byte{"./bin/sh": shell}},
		{"etc.tar.xz", map[string][]byte{"./etc/passwd": []byte("root:*:0:0::/root:/bin/sh\n")}},
	} {
		b, err := makeSet(set.files)
		sums += fmt.Sprintf("SHA512 (%s) = %x\n", set.name, sha512.Sum512(b))
		errs = append(errs, err, os.WriteFile(filepath.Join(r.dir, "mirror", set.name), b, 0o644))
	}
	return errors.Join(append(errs, os.WriteFile(filepath.Join(r.dir, "mirror", "SHA512"), []byte(sums), 0o644))...)
}

// makeSet is a release set of some files, with the directories of NetBSD's root.
func makeSet(files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	compressed, err := xz.WriterConfig{DictCap: 1 << 16}.NewWriter(&b)
	if err != nil {
		return nil, fmt.Errorf("compress set: %w", err)
	}
	w := tar.NewWriter(compressed)
	var errs []error
	for _, dir := range []string{"./", "./bin/", "./dev/", "./etc/", "./proc/", "./root/", "./tmp/", "./var/"} {
		errs = append(errs, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}))
	}
	for name, content := range files {
		errs = append(errs, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}))
		_, err := w.Write(content)
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, w.Close(), compressed.Close())...); err != nil {
		return nil, fmt.Errorf("make set: %w", err)
	}
	return b.Bytes(), nil
}

// ftp stands for ftp(1), which fetches what it is given into the working directory.
func ftp(urls []string) error {
	for _, url := range urls {
		in, err := os.Open(filepath.Join(os.Getenv(mirrorVar), path.Base(url)))
		if err != nil {
			return fmt.Errorf("fetch %s: %w", url, err)
		}
		out, err := os.Create(path.Base(url))
		if err == nil {
			_, err = io.Copy(out, in)
			err = errors.Join(err, out.Close())
		}
		if err := errors.Join(err, in.Close()); err != nil {
			return fmt.Errorf("fetch %s: %w", url, err)
		}
	}
	return nil
}

// install stands for install(1): files, with a mode, into a directory.
func install(args []string) error {
	if len(args) < 4 || args[0] != "-m" {
		return fmt.Errorf("install %q: this one knows -m MODE FILE… DIRECTORY", args)
	}
	mode, err := strconv.ParseUint(args[1], 8, 12)
	if err != nil {
		return fmt.Errorf("read mode: %w", err)
	}
	dir := args[len(args)-1]
	for _, file := range args[2 : len(args)-1] {
		to := filepath.Join(dir, filepath.Base(file))
		b, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err == nil {
			err = os.Chmod(to, os.FileMode(mode))
		}
		if err != nil {
			return fmt.Errorf("install %s: %w", file, err)
		}
	}
	return nil
}

// installModule puts the module where modload(8) looks for a name.
func installModule(file string) error {
	release, err := system().sysctl("kern.osrelease")
	if err != nil {
		return fmt.Errorf("ask for release: %w", err)
	}
	name := strings.TrimSuffix(filepath.Base(file), ".kmod")
	dir := filepath.Join("/stand", runtime.GOARCH, release, "modules", name)
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".kmod"), b, 0o444)
	}
	if err != nil {
		return fmt.Errorf("install module: %w", err)
	}
	return nil
}

// modload stands for modload(8).
func modload(args []string) error {
	if len(args) != 1 || args[0]+".kmod" != path.Base(os.Getenv(moduleVar)) {
		return fmt.Errorf("modload %q: this guest has %s", args, os.Getenv(moduleVar))
	}
	return system().load(os.Getenv(moduleVar))
}

// showSysctl stands for sysctl(8), with -n and without.
func showSysctl(args []string) error {
	bare := len(args) > 0 && args[0] == "-n"
	if bare {
		args = args[1:]
	}
	for _, name := range args {
		value, err := system().sysctl(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if !bare {
			fmt.Print(name, " = ")
		}
		fmt.Println(value)
	}
	return nil
}
