// Command modbuild compiles secmodel_cell for a given NetBSD kernel source
// tree with the host's compiler: make kmod NETBSD_SYS=/path/to/sys.
//
// On NetBSD itself `make -C kmod/secmodel_cell` does the same with the
// system's own rules; the two compile the same files.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// flags are what a kernel module is compiled with, on every port: none of the
// host's headers, and nothing that the host's compiler adds by itself.
var flags = []string{
	"-std=gnu99", "-O2", "-g0", "-ffreestanding", "-nostdinc",
	"-fno-omit-frame-pointer", "-fno-strict-aliasing", "-fno-common", "-fwrapv",
	"-fno-pic", "-fno-pie", "-fno-stack-protector",
	"-fno-unwind-tables", "-fno-asynchronous-unwind-tables",
	"-U__linux__", "-U__linux", "-Ulinux", "-U__gnu_linux__", "-Uunix", "-U__unix", "-D__NetBSD__=1",
	"-D_KERNEL", "-D_MODULE", "-D__KAUTH_PRIVATE", "-DDIAGNOSTIC", "-DSYSCTL_INCLUDE_DESCR",
	"-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-pointer-sign",
	"-Wno-missing-field-initializers", "-Wstack-usage=2048", // a kernel stack is small
}

func main() {
	sys := flag.String("sys", "", "the kernel's `directory` of sources, /usr/src/sys")
	src := flag.String("src", "kmod/secmodel_cell", "the module's `directory`")
	out := flag.String("o", "bin/kmod/secmodel_cell.kmod", "the module (`file`) to write")
	name := flag.String("port", ports[0].name, "the `port` to build for")
	flag.Parse()
	if err := build(*name, *sys, *src, *out); err != nil {
		fmt.Fprintln(os.Stderr, "modbuild:", err)
		os.Exit(1)
	}
	fmt.Println(*out)
}

func build(name, sys, src, out string) error {
	p, err := portNamed(name)
	if err != nil {
		return err
	}
	if sys == "" {
		return fmt.Errorf("no kernel sources given (make kmod NETBSD_SYS=/usr/src/sys)")
	}
	if _, err := os.Stat(filepath.Join(sys, "sys", "kauth.h")); err != nil {
		return fmt.Errorf("find kernel sources: %w (NETBSD_SYS is the directory that holds sys/, kern/ and arch/)", err)
	}
	dir, err := os.MkdirTemp("", "modbuild")
	if err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &builder{port: p, dir: dir}
	if b.sys, err = filepath.Abs(sys); err != nil {
		return fmt.Errorf("find kernel sources: %w", err)
	}
	if b.src, err = filepath.Abs(src); err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	for _, step := range []func() error{b.headers, b.compile, b.link} {
		if err := step(); err != nil {
			return err
		}
	}
	return b.finish(out)
}

// builder is one build: the port, the kernel's and the module's sources, and a
// directory of its own.
type builder struct {
	port          *port
	sys, src, dir string
	objects       []string
}

// headers makes cell_have.h, and links for the ports' headers.
func (b *builder) headers() error {
	for name, arch := range b.port.headers {
		if err := os.Symlink(filepath.Join(b.sys, "arch", arch, "include"), filepath.Join(b.dir, name)); err != nil {
			return fmt.Errorf("link headers: %w", err)
		}
	}
	have, err := exec.Command("/bin/sh", filepath.Join(b.src, "have.sh"), b.sys).Output()
	if err != nil {
		return fmt.Errorf("make cell_have.h: %w", explain(err))
	}
	return os.WriteFile(filepath.Join(b.dir, "cell_have.h"), have, 0o644)
}

func (b *builder) compile() error {
	sources, err := filepath.Glob(filepath.Join(b.src, "cell_*.c"))
	if err != nil || len(sources) == 0 {
		return fmt.Errorf("find cell_*.c in %s", b.src)
	}
	for _, source := range sources {
		object := filepath.Join(b.dir, strings.TrimSuffix(filepath.Base(source), ".c")+".o")
		args := append(slices.Concat(flags, b.port.flags), "-I"+b.dir, "-I"+b.src,
			"-isystem", b.sys, "-isystem", filepath.Join(b.sys, "arch"),
			"-isystem", filepath.Join(b.sys, "..", "common", "include"), "-c", source, "-o", object)
		if err := b.run("gcc", args...); err != nil {
			return fmt.Errorf("compile %s: %w", filepath.Base(source), err)
		}
		b.objects = append(b.objects, object)
	}
	return nil
}

// link joins the objects as the kernel's linker expects it: one file that is
// still to be relocated.
func (b *builder) link() error {
	script := filepath.Join(b.sys, "modules", "xldscripts", "kmodule")
	args := slices.Concat(b.port.flags, []string{"-nostdlib", "-r", "-Wl,-d,-T," + script, "-o", b.module()}, b.objects)
	if err := b.run("gcc", args...); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return b.run("objcopy", "--remove-section", ".note.GNU-stack", "--remove-section", ".note.gnu.property", b.module())
}

func (b *builder) module() string { return filepath.Join(b.dir, "secmodel_cell.kmod") }

// finish adapts and checks the module, and puts it in its place.
func (b *builder) finish(out string) error {
	image, err := os.ReadFile(b.module())
	if err != nil {
		return fmt.Errorf("read module: %w", err)
	}
	if err := adapt(b.port, image); err != nil {
		return fmt.Errorf("adapt module: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return os.WriteFile(out, image, 0o644)
}

// run runs one of the compiler's programs, the port's own.
func (b *builder) run(name string, args ...string) error {
	cmd := exec.Command(b.port.tools+name, args...)
	cmd.Dir = b.dir
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w (Debian: apt-get install gcc%s)", err, strings.TrimSuffix("-"+b.port.tools, "-"))
	}
	return err
}

func explain(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
