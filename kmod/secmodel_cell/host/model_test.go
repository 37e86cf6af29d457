package host

// The model of a cell's life in ../model, checked by spin: every order of its
// steps, and then with each of the faults that it must find.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	promela = "../model/cell.pml"
	spin    = "/usr/bin/spin"
	modelMB = "2000" // what a search may use of memory
)

// withWhom are the searches: who is there beside the cell's own processes and
// its administrator.
var withWhom = [][]string{
	{"WITH_RIVAL"},
	{"WITH_ASKER", "WITH_UNLOADER"},
}

// modelFaults are the model's faults: who finds them, and how.
var modelFaults = []struct{ fault, with, want string }{
	{"FAULT_COPY_HOLD", "WITH_RIVAL", "assertion violated  !(freed)"},
	{"FAULT_CRED_FREE", "WITH_ASKER", "assertion violated  !(cr_freed[c])"},
	{"FAULT_DYING_COUNT", "WITH_RIVAL", "assertion violated (ndying==0)"},
	{"FAULT_ENTER_UNLOCKED", "WITH_RIVAL", "assertion violated  !(freed)"},
	{"FAULT_KILL_HOLD", "WITH_RIVAL", "assertion violated  !(freed)"},
	{"FAULT_KILL_ONCE", "WITH_RIVAL", "invalid end state"},
	{"FAULT_UNLOAD_BUSY", "WITH_UNLOADER", "assertion violated loaded"},
	{"FAULT_UNLOAD_HANDLERS", "WITH_UNLOADER", "assertion violated loaded"},
	{"FAULT_UNLOAD_LISTENERS", "WITH_UNLOADER", "assertion violated loaded"},
}

// search looks at every state of the model with the macros set, and gives what
// the search says. optimize is the compiler's: what it takes to make the search
// fast is lost on one that ends soon.
func search(t *testing.T, optimize string, macros ...string) string {
	t.Helper()
	if _, err := os.Lstat(spin); err != nil {
		t.Fatalf("check the model: no %s (on Debian: apt-get install spin)", spin)
	}
	text, err := os.ReadFile(promela)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cell.pml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{spin}
	for _, m := range macros {
		args = append(args, "-D"+m)
	}
	args = append(args, "-a", "cell.pml")
	// -w: the checker's own code has loops that gcc warns of.
	compiler := []string{Compiler, "-w", optimize, "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=" + modelMB, "-o", "pan", "pan.c"}
	var out []byte
	for _, words := range [][]string{args, compiler, {filepath.Join(dir, "pan"), "-m100000", "-w22"}} {
		c := exec.CommandContext(t.Context(), words[0], words[1:]...)
		c.Dir = dir
		if out, err = c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
		}
	}
	return string(out)
}

var modelResult = regexp.MustCompile(`(?m)^State-vector .*errors: (\d+)$`)

// complete tells whether the search was exhaustive and found nothing.
func complete(out string) error {
	m := modelResult.FindStringSubmatch(out)
	if m == nil || m[1] != "0" || strings.Contains(out, "Search not completed") || strings.Contains(out, "max search depth too small") {
		return fmt.Errorf("the search is not complete, or found something:\n%s", out)
	}
	return nil
}

// MODEL_LONG=1 asks for a search more, of ten million states.
func TestModel(t *testing.T) {
	searches := withWhom
	if os.Getenv("MODEL_LONG") != "" {
		searches = append(searches, []string{"WITH_RIVAL", "WITH_UNLOADER"})
	}
	for _, with := range searches {
		t.Run(strings.Join(with, "+"), func(t *testing.T) {
			t.Parallel()
			if err := complete(search(t, "-O2", with...)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A model that finds nothing wrong proves little: it finds each of these.
func TestModelFaults(t *testing.T) {
	text, err := os.ReadFile(promela)
	if err != nil {
		t.Fatal(err)
	}
	var known, tried []string
	for _, m := range regexp.MustCompile(`(?m)^#ifdef (FAULT_\w+)`).FindAllStringSubmatch(string(text), -1) {
		known = append(known, m[1])
	}
	slices.Sort(known)
	for _, f := range modelFaults {
		tried = append(tried, f.fault)
		t.Run(f.fault, func(t *testing.T) {
			t.Parallel()
			if out := search(t, "-O0", f.fault, f.with); !strings.Contains(out, f.want) {
				t.Errorf("the search does not say %q:\n%s", f.want, out)
			}
		})
	}
	if known = slices.Compact(known); !slices.Equal(known, tried) {
		t.Errorf("the model has the faults %v, and tried were %v", known, tried)
	}
}

// The model's parts say which functions of the module they follow; these exist.
func TestModelNames(t *testing.T) {
	text, err := os.ReadFile(promela)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(module, "cell_*.c"))
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, b...)
	}
	comments := strings.Join(regexp.MustCompile(`(?s)/\*.*?\*/`).FindAllString(string(text), -1), "\n")
	names := regexp.MustCompile(`\bcell_[a-z_]+\b`).FindAllString(comments, -1)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !regexp.MustCompile(`(?m)^` + name + `\(|^kmutex_t\s+` + name + `;`).Match(code) {
			t.Errorf("%s follows %s, and the module has no such function or lock", promela, name)
		}
	}
}
