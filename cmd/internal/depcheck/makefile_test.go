package depcheck

// What is given to make on its command line is data: a recipe hands it on by the
// environment of its shell. As a part of the recipe's text the shell would run what is
// in backticks.

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ownVariables are the Makefile's: what it runs, and places that packagers give.
var ownVariables = strings.Fields("GO BUILD TAGS OUT GOLANGCI GOFUMPT BENCHSTAT PREFIX BINDIR LIBEXECDIR MANDIR DOCDIR RCDIR DESTDIR")

func TestMakeHandsOnData(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`\$[({]([A-Za-z_]+)[)}]`)
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "\t") {
			continue
		}
		for _, v := range variable.FindAllStringSubmatch(strings.ReplaceAll(line, "$$", ""), -1) {
			if !slices.Contains(ownVariables, v[1]) {
				t.Errorf("Makefile:%d: $(%s) is a part of what the shell reads: write \"$$%s\"", i+1, v[1], v[1])
			}
		}
	}
}

// Both makes hand on what they are given, as it is, and the defaults.
func TestMakeGivesNothingToTheShell(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, program := range []string{"/usr/bin/make", "/usr/bin/bmake"} {
		if _, err := os.Stat(program); err != nil {
			continue
		}
		found = true
		dir := t.TempDir()
		write := func(name, text string) {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		tell := "#!/bin/sh\nfor a; do printf '%s|' \"$a\"; done >>told\necho >>told\n"
		write("Makefile", string(text))
		for _, name := range []string{"go", "bin/test-netbsd", "bin/mutants"} {
			write(name, tell)
		}
		write(".ci/guest-kernel", "echo guest\n")
		odd := "`touch ran`'\"; touch ran #"
		args := []string{"-s", "bench", "test-netbsd", "mutants", "kmod", "GO=./go"}
		for _, name := range []string{"BASE", "RUN", "KERNEL", "SUITE", "LOGS", "NETBSD_SYS", "FLAGS"} {
			args = append(args, name+"="+odd)
		}
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v, %s", program, err, out)
		}
		told, _ := os.ReadFile(filepath.Join(dir, "told"))
		for _, want := range []string{
			"|-base|" + odd + "|-load|0|", "-kernel|" + odd + "|-sys|" + odd + "|", "|-suite|" + odd + "|-run|" + odd + "|-rounds|20|",
			"-run|" + odd + "|-sample|0|-seed|1|-jobs|1|", "|-port|amd64|-sys|" + odd + "|", "|-root|wd0a|", "|-icount=false|",
		} {
			if !strings.Contains(string(told), want) {
				t.Errorf("%s: %s is not handed on:\n%s", program, want, told)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			t.Errorf("%s: the shell ran what was given", program)
		}
	}
	if !found {
		t.Error("there is no make")
	}
}
