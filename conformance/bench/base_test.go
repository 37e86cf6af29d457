package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is built is the revision, not what the work tree has, and with the
// recipe of the revision.
func TestBuildBase(t *testing.T) {
	tree := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) string {
		t.Helper()
		c := exec.Command("git", append([]string{"-C", tree, "-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet")
	write("Makefile", "build:\n\tmkdir bin && cat words >bin/runcell && echo $(COMMIT) $(MAKEFLAGS) >>bin/runcell\n")
	write("words", "old\n")
	git("add", ".")
	git("commit", "--quiet", "--message", "old")
	old := git("rev-parse", "--short=12", "HEAD")
	write("words", "new\n")
	git("commit", "--quiet", "--all", "--message", "new")
	write("words", "neither\n")

	t.Setenv("MAKEFLAGS", "k -- BASE=x")
	runcell, err := buildBase(options{tree: tree, revision: "HEAD~1"}, filepath.Join(t.TempDir(), "base"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(runcell)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(got); !strings.HasPrefix(text, "old\n"+old) || strings.Contains(text, "BASE=x") {
		t.Errorf("built %q; want the words of revision %s, and nothing of the outer make", text, old)
	}
	if status := git("status", "--porcelain"); status != "M words" {
		t.Errorf("the work tree has changed: %q", status)
	}
	if _, err := buildBase(options{tree: tree, revision: "no-such"}, filepath.Join(t.TempDir(), "base")); err == nil || !strings.Contains(err.Error(), "no-such") {
		t.Errorf("a revision that is not there: %v", err)
	}
}

// Only rows that both revisions have are compared, each under one name and in
// units that benchstat knows.
func TestBenchTexts(t *testing.T) {
	base, here := benchTexts(map[string][]float64{
		"runcell/run":                    {12, 13.5},
		"runcell (base)/run":             {20},
		"runcell, light/peak RSS":        {2},
		"runcell, light (base)/peak RSS": {1},
		"chroot/run":                     {1},
		"gone (base)/run":                {1},
	})
	for _, c := range []struct{ got, want string }{
		{base, "BenchmarkRuncell/run 1 0.02 sec/op\nBenchmarkRuncell_light/peak_RSS 1 1.048576e+06 peak-B\n"},
		{here, "BenchmarkRuncell/run 1 0.012 sec/op\nBenchmarkRuncell/run 1 0.0135 sec/op\nBenchmarkRuncell_light/peak_RSS 1 2.097152e+06 peak-B\n"},
	} {
		if got := sortedLines(c.got); got != sortedLines(c.want) {
			t.Errorf("the text is\n%swant\n%s", got, sortedLines(c.want))
		}
	}
}

func sortedLines(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

// benchstat reads what is written, and tells a difference from none.
func TestVerdicts(t *testing.T) {
	stat, err := filepath.Abs("../../bin/tools/benchstat")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stat); err != nil {
		t.Skipf("make benchstat gets it: %v", err)
	}
	noise := func(middle float64) []float64 {
		var v []float64
		for i := range 20 {
			v = append(v, middle*(1+float64(i%5-2)/200))
		}
		return v
	}
	var out strings.Builder
	err = verdicts(options{revision: "v1", benchstat: stat}, t.TempDir(), map[string][]float64{
		"runcell/run": noise(10.3), "runcell (base)/run": noise(10),
		"runcell/start": noise(5), "runcell (base)/start": noise(5),
		"runcell/faults": noise(1000), "runcell (base)/faults": noise(1200),
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range map[string]string{"Runcell/run ": "+3.00%", "Runcell/start ": "~ ", "Runcell/faults ": "-16.67%"} {
		i := strings.Index(out.String(), row)
		if i < 0 {
			t.Errorf("no row %s in\n%s", row, out.String())
			continue
		}
		if line, _, _ := strings.Cut(out.String()[i:], "\n"); !strings.Contains(line, want) {
			t.Errorf("the row %q lacks the verdict %q", line, want)
		}
	}
}
