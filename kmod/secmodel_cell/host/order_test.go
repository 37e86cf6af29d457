package host

// The module's files have an order, and none calls one above it.

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	group    = regexp.MustCompile(`(?m)^/\* (cell_[a-z]+\.c): `)
	declared = regexp.MustCompile(`\b(cell_[a-z_]+)\(`)
	word     = regexp.MustCompile(`\bcell_[a-z_]+\b`)
	remark   = regexp.MustCompile(`(?s)/\*.*?\*/|\bstruct \w+`) // names no function
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// faultsOf lists what of the files does not follow the order of the header:
// a function that is declared at another file's, and one of a file further down.
func faultsOf(header string, files map[string]string) []string {
	var order, faults []string
	floor := map[string]int{}
	at := group.FindAllStringSubmatchIndex(header, -1)
	for i, m := range at {
		end := len(header)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		file := header[m[2]:m[3]]
		order = append(order, file)
		for _, f := range declared.FindAllStringSubmatch(header[m[1]:end], -1) {
			floor[f[1]] = i
			if !regexp.MustCompile(`(?m)^` + f[1] + `\(`).MatchString(files[file]) {
				faults = append(faults, f[1]+" is not in "+file)
			}
		}
	}
	for file, text := range files {
		here := slices.Index(order, file)
		switch {
		case file == "cell_main.c": // calls all
			continue
		case here < 0 && file != "cell_core.c" && file != "cell_rows.c": // below all
			faults = append(faults, file+" has no place")
		}
		for _, f := range word.FindAllString(remark.ReplaceAllString(text, ""), -1) {
			if there, ok := floor[f]; ok && there > here {
				faults = append(faults, file+" uses "+f+" of "+order[there])
			}
		}
	}
	return faults
}

func TestFilesCallDownward(t *testing.T) {
	paths, err := filepath.Glob("../cell_*.c")
	if err != nil || len(paths) < 10 {
		t.Fatalf("the module has %d files, %v", len(paths), err)
	}
	page, rules := read(t, "../../../docs/architecture.md"), read(t, "../Makefile")
	files := map[string]string{}
	for _, p := range paths {
		files[filepath.Base(p)] = read(t, p)
		if !strings.Contains(page, "`"+filepath.Base(p)+"`") {
			t.Errorf("docs/architecture.md does not name %s", filepath.Base(p))
		}
		if !slices.Contains(strings.Fields(rules), filepath.Base(p)) {
			t.Errorf("Makefile does not name %s", filepath.Base(p))
		}
	}
	for _, f := range faultsOf(read(t, "../cell_var.h"), files) {
		t.Error(f)
	}
}

func TestOrderFaults(t *testing.T) {
	const header = "/* cell_a.c: low */\nint cell_x(void);\n\n/* cell_b.c: high */\nint cell_y(void);\n"
	for _, tt := range []struct{ a, b, want string }{
		{"cell_x(void)", "cell_y(void)\n cell_x();", ""},
		{"cell_x(void)\n/* see cell_y */", "cell_y(void)", ""},
		{"cell_x(void)\n cell_y();", "cell_y(void)", "cell_a.c uses cell_y of cell_b.c"},
		{"cell_x(void)\n run(cell_y);", "cell_y(void)", "cell_a.c uses cell_y of cell_b.c"},
		{"cell_x(void)", "", "cell_y is not in cell_b.c"},
	} {
		got := strings.Join(faultsOf(header, map[string]string{"cell_a.c": tt.a, "cell_b.c": tt.b}), "; ")
		if got != tt.want {
			t.Errorf("faultsOf(%q, %q) = %q; want %q", tt.a, tt.b, got, tt.want)
		}
	}
}
