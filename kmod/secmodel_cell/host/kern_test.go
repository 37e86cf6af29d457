package host

// The module's own files, unchanged, linked to stand-ins for the kernel in
// kern/ that check what LOCKDEBUG and DIAGNOSTIC check: see kern/README.md.

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const kern = "kern" // the stand-ins

var (
	includeLine = regexp.MustCompile(`(?m)^#include <([\w/]+\.h)>$`)
	kauthName   = regexp.MustCompile(`\bKAUTH_(?:SYSTEM|PROCESS|NETWORK|DEVICE|MACHDEP|GENERIC|VNODE|REQ)_[A-Z0-9_]+`)
)

// ownHeaders come from the compiler.
var ownHeaders = []string{"stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}

// harness is a build of the stand-ins with one set of sanitizers.
type harness struct {
	dir   string
	flags []string
	env   []string
}

var (
	withAddress = sync.OnceValues(func() (*harness, error) {
		return build("address", []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"},
			[]string{"ASAN_OPTIONS=detect_leaks=0"})
	})
	// Volatile words are no races in the kernel: see host.c.
	withThread = sync.OnceValues(func() (*harness, error) {
		return build("thread", []string{"-fsanitize=thread", "--param", "tsan-distinguish-volatile=1"},
			[]string{"TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1"})
	})
)

// build compiles the module and the stand-ins.
func build(name string, flags, env []string) (*harness, error) {
	h := &harness{dir: filepath.Join(tmp, name), flags: append([]string{"-g", "-O1", "-fno-omit-frame-pointer"}, flags...), env: env}
	if err := h.headers(); err != nil {
		return nil, fmt.Errorf("make headers: %w", err)
	}
	own, err := exec.Command(Compiler, "-print-file-name=include").Output()
	if err != nil {
		return nil, fmt.Errorf("find the compiler's headers: %w", err)
	}
	inKernel := []string{
		"-std=gnu99", "-Wall", "-Werror", "-ffreestanding", "-nostdinc", "-isystem", strings.TrimSpace(string(own)),
		"-ftrivial-auto-var-init=pattern", "-D_KERNEL", "-D__KAUTH_PRIVATE", "-I" + h.dir, "-I" + module, "-I" + filepath.Join(kern, "include"),
	}
	files := []string{filepath.Join(kern, "host.c")}
	for _, pattern := range []string{filepath.Join(module, "cell_*.c"), filepath.Join(kern, "*.c")} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if err := h.compileAll(files, inKernel); err != nil {
		return nil, err
	}
	objects, err := filepath.Glob(filepath.Join(h.dir, "*.o"))
	if err != nil {
		return nil, err
	}
	return h, h.cc(append([]string{"-o", h.program()}, append(objects, "-lpthread")...)...)
}

func (h *harness) program() string { return filepath.Join(h.dir, "harness") }

func (h *harness) cc(args ...string) error {
	out, err := exec.Command(Compiler, append(slices.Clone(h.flags), args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile %s: %w:\n%s", args[len(args)-1], err, out)
	}
	return nil
}

// compileAll compiles host.c for this machine and the rest as kernel files.
func (h *harness) compileAll(files, inKernel []string) error {
	var group sync.WaitGroup
	errs := make([]error, len(files))
	slots := make(chan struct{}, runtime.NumCPU())
	for i, f := range files {
		args := inKernel
		if filepath.Base(f) == "host.c" {
			args = []string{"-std=gnu99", "-Wall", "-Werror", "-I" + filepath.Join(kern, "include")}
		}
		object := filepath.Join(h.dir, strings.TrimSuffix(filepath.Base(f), ".c")+".o")
		args = append(slices.Clone(args), "-c", "-o", object, f)
		group.Go(func() {
			slots <- struct{}{}
			errs[i] = h.cc(args...)
			<-slots
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// headers makes what the module includes: every header of the kernel is
// kern.h. The names of kauth(9) get numbers of our own, and have.sh says what
// this kernel has.
func (h *harness) headers() error {
	text, err := sources()
	if err != nil {
		return err
	}
	for _, m := range includeLine.FindAllSubmatch(text, -1) {
		if name := string(m[1]); !slices.Contains(ownHeaders, name) {
			if err := h.write(name, "#include \"kern.h\"\n"); err != nil {
				return err
			}
		}
	}
	names := kauthNames(text)
	if err := h.write("kauth_names.h", names); err != nil {
		return err
	}
	return h.have(names)
}

// have runs have.sh on headers that stand for the kernel's.
func (h *harness) have(names string) error {
	if err := h.write("have/sys/kauth.h", names); err != nil {
		return err
	}
	for name, from := range map[string]string{"sys/proc.h": "process.h", "sys/atomic.h": "lock.h", "netinet/in_pcb.h": "object.h"} {
		text, err := os.ReadFile(filepath.Join(kern, "include", from))
		if err != nil {
			return err
		}
		if err := h.write("have/"+name, string(text)); err != nil {
			return err
		}
	}
	out, err := exec.Command("/bin/sh", filepath.Join(module, "have.sh"), filepath.Join(h.dir, "have")).Output()
	if err != nil {
		return fmt.Errorf("run have.sh: %w", err)
	}
	return h.write("cell_have.h", string(out))
}

func (h *harness) write(name, text string) error {
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// sources are the texts of the module and of the stand-ins.
func sources() ([]byte, error) {
	var all bytes.Buffer
	for _, pattern := range []string{filepath.Join(module, "cell_*.[ch]"), filepath.Join(kern, "*.c"), filepath.Join(kern, "include", "*.h")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			all.Write(text)
		}
	}
	return all.Bytes(), nil
}

// kauthNames numbers the actions and requests that anybody names; those of the
// vnode scope are bits.
func kauthNames(text []byte) string {
	var names []string
	for _, m := range kauthName.FindAll(text, -1) {
		names = append(names, string(m))
	}
	slices.Sort(names)
	var b strings.Builder
	number, bit := 0, 0
	for _, name := range slices.Compact(names) {
		if strings.HasPrefix(name, "KAUTH_VNODE_") {
			fmt.Fprintf(&b, "#define\t%s\t(UINT64_C(1) << %d)\n", name, bit)
			bit++
			continue
		}
		number++
		fmt.Fprintf(&b, "#define\t%s\t%d\n", name, number)
	}
	return b.String()
}

// harnessCase is a line of the harness's list: what kind it is, and why it has
// to panic if it has to.
type harnessCase struct{ kind, name, panics string }

// cases lists the harness's cases of these kinds.
func (h *harness) cases(t *testing.T, kinds ...string) []harnessCase {
	t.Helper()
	out, err := exec.Command(h.program()).CombinedOutput()
	if err != nil {
		t.Fatalf("list cases: %v\n%s", err, out)
	}
	var cases []harnessCase
	for line := range strings.Lines(string(out)) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(words) != 3 {
			t.Fatalf("list cases: %q", line)
		}
		if slices.Contains(kinds, words[0]) {
			cases = append(cases, harnessCase{words[0], words[1], words[2]})
		}
	}
	if len(cases) == 0 {
		t.Fatal("list cases: none")
	}
	return cases
}

func (h *harness) run(t *testing.T, name string) ([]byte, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), h.program(), name)
	c.Env = append(os.Environ(), h.env...)
	c.WaitDelay = time.Second
	return c.CombinedOutput()
}

// runAll runs the cases of these kinds, each in a process of its own, and some
// at a time: what most of them wait for is a clock.
func runAll(t *testing.T, h *harness, err error, kinds ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range h.cases(t, kinds...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if out, err := h.run(t, c.name); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestKernel runs every case with the address and undefined behaviour
// sanitizers.
func TestKernel(t *testing.T) {
	t.Parallel()
	h, err := withAddress()
	runAll(t, h, err, "one", "threads")
}

// TestKernelThreads runs those with several threads once more, with the
// sanitizer that finds races and locks in the wrong order.
func TestKernelThreads(t *testing.T) {
	t.Parallel()
	h, err := withThread()
	runAll(t, h, err, "threads")
}

// TestKernelChecks breaks the rules: the harness has to say so.
func TestKernelChecks(t *testing.T) {
	t.Parallel()
	h, err := withAddress()
	if err != nil {
		t.Fatal(err)
	}
	const panicked = 66
	for _, c := range h.cases(t, "panics") {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := h.run(t, c.name)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != panicked || !bytes.Contains(out, []byte("panic: "+c.panics)) {
				t.Errorf("%v, want a panic with %q:\n%s", err, c.panics, out)
			}
		})
	}
}
