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
// fast is lost on one that ends soon. The states are kept as they are: packing
// them (COLLAPSE) halves 300 MB and costs half of the time again.
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
	compiler := []string{Compiler, "-w", optimize, "-DSAFETY", "-DMEMLIM=" + modelMB, "-o", "pan", "pan.c"}
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
			if err := complete(search(t, "-O1", with...)); err != nil {
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

var (
	modelPart = regexp.MustCompile(`(?s)/\*((?:[^*]|\*[^/])*)\*/\n(?:inline|active proctype) (\w+)\(`)
	cFunction = regexp.MustCompile(`(?s)/\*((?:[^*]|\*[^/])*)\*/\n(?:static )?[\w *]+\n(cell_\w+)\(`)
	followed  = regexp.MustCompile(`\bModel:((?:[\s*]+\w+,?)+)\.`)
	ofModule  = regexp.MustCompile(`\bcell_[a-z_]+\b`)
)

// pairsOf lists "function part": those that the model's parts name, and those
// that the functions themselves name.
func pairsOf(model, code string) (here, there []string) {
	for _, part := range modelPart.FindAllStringSubmatch(model, -1) {
		for _, f := range ofModule.FindAllString(part[1], -1) {
			if f != "cell_lock" && f != "cell_spin" {
				here = append(here, f+" "+part[2])
			}
		}
	}
	for _, f := range cFunction.FindAllStringSubmatch(code, -1) {
		for _, m := range followed.FindAllStringSubmatch(f[1], -1) {
			for _, part := range regexp.MustCompile(`\w+`).FindAllString(m[1], -1) {
				there = append(there, f[2]+" "+part)
			}
		}
	}
	slices.Sort(here)
	slices.Sort(there)
	return slices.Compact(here), slices.Compact(there)
}

// code is the text of the module's C files.
func code(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(module, "cell_*.c"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		all.WriteString(read(t, f))
	}
	return all.String()
}

// A part of the model names the functions that it follows, and each of these
// the part: whoever changes one is led to the other.
func TestModelFollowsCode(t *testing.T) {
	here, there := pairsOf(read(t, promela), code(t))
	if !slices.Equal(here, there) {
		t.Errorf("the model follows\n%q, and the functions name\n%q", here, there)
	}
	if len(here) < 15 {
		t.Errorf("the model follows %q only", here)
	}
	if strings.Count(code(t), "Model:") != len(followed.FindAllString(code(t), -1)) {
		t.Errorf("a function's mark has another form than %q", followed)
	}
}

func TestModelPairs(t *testing.T) {
	const model = "/* cell_a, with\n * cell_b */\ninline one()\n{ /* cell_c */ }\n/* cell_a */\nactive proctype Two()\n"
	here, there := pairsOf(model, "/* Says. Model: one,\n * Two. */\nint\ncell_a(void)\n{\n}\n\nint\ncell_b(void)\n")
	if want := []string{"cell_a Two", "cell_a one", "cell_b one"}; !slices.Equal(here, want) {
		t.Errorf("the model's: %q; want %q", here, want)
	}
	if want := []string{"cell_a Two", "cell_a one"}; !slices.Equal(there, want) {
		t.Errorf("the functions': %q; want %q", there, want)
	}
}

// What else the model's comments name exists, too.
func TestModelNames(t *testing.T) {
	comments := strings.Join(regexp.MustCompile(`(?s)/\*.*?\*/`).FindAllString(read(t, promela), -1), "\n")
	names := ofModule.FindAllString(comments, -1)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !regexp.MustCompile(`(?m)^` + name + `\(|^kmutex_t\s+` + name + `;`).MatchString(code(t)) {
			t.Errorf("%s follows %s, and the module has no such function or lock", promela, name)
		}
	}
}
