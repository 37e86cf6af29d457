package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const sample = `package p

import "errors"

var table = []string{
	"one", // the first
	"two",
}

var fixed = [...]string{"one", "two"}

var named = map[string]int{"one": 1}

func guard(n int, s string) error {
	const both = C | D
	if err := check(s); err != nil {
		return err
	}
	if n < 1 || s == "" {
		return errors.New("refused")
	}
	switch {
	case n > 7:
		return errors.New("too many")
	}
	if !errors.Is(err, unix.EINTR) {
		return nil
	}
	list = append(list, path.Clean(s))
	open(A | O_RDONLY)
	open(A | B)
	step.Say("refused nothing")
	return check(s)
}

func is(n int) bool { return n == 3 }
`

// Each operator finds its places, and each mutant is a source that Go can read.
func TestOperators(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(sample), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := inFile(dir, "p.go")
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string]string{}
	var switched []*mutant
	for i := range found {
		m := &found[i]
		changed[m.key] = string(m.alone())
		if m.switched() {
			switched = append(switched, m)
		}
	}
	for key, want := range map[string]string{
		`var row: table: "one"`:                          "table = mutantWithout(true, []string{\n\t\"one\", // the first\n\t\"two\",\n}, 0)",
		`var row: table: "two"`:                          "}, 1)",
		`var row: fixed: "one"`:                          "{ \"two\"}",
		`var row: fixed: "two"`:                          "{\"one\", }",
		`var row: named: "one": 1`:                       `mutantLacking(true, map[string]int{"one": 1}, "one")`,
		`guard omit: if err := check(s)`:                 "if false { if err := check(s); err != nil {\n\t\treturn err\n\t} }",
		`guard skip: if n < 1 || s == ""`:                `if (false && (n < 1 || s == "")) {`,
		`guard operand: n < 1 ||`:                        `if (false && (n < 1)) || s == "" {`,
		`guard operand: s == "" ||`:                      `if n < 1 || (false && (s == "")) {`,
		`guard boundary: n < 1`:                          `(false && (n < 1) || true && (n <= 1)) ||`,
		`guard skip: case n > 7`:                         `case (false && (n > 7)):`,
		`guard boundary: n > 7`:                          `case (false && (n > 7) || true && (n >= 7)):`,
		`guard omit: list = append(list, path.Clean(s))`: `if false { list = append(list, path.Clean(s)) }`,
		`guard raw: path.Clean(s)`:                       `append(list, mutantRaw(true, path.Clean)(s))`,
		`guard omit: open(A | B)`:                        `if false { open(A | B) }`,
		`guard flag: A in A | B`:                         `open((A << mutantBits(true)) | B)`,
		`guard flag: A in A | O_RDONLY`:                  `open((A << mutantBits(true)) | O_RDONLY)`,
		`guard omit: open(A | O_RDONLY)`:                 `if false { open(A | O_RDONLY) }`,
		`guard flag: B in A | B`:                         `open(A | (B << mutantBits(true)))`,
		`guard flag: C in C | D`:                         `const both = (C &^ C) | D`,
		`guard flag: D in C | D`:                         `const both = C | (D &^ D)`,
		`guard nil: return check(s)`:                     `if false { return check(s) }; return nil`,
		`is const: return n == 3 = true`:                 `return (true || (n == 3))`,
		`is const: return n == 3 = false`:                `return (false && (n == 3))`,
	} {
		if got, ok := changed["p.go "+key]; !ok || !strings.Contains(got, want) {
			t.Errorf("%s: %v, %s; want %s in it", key, ok, got, want)
		}
		delete(changed, "p.go "+key)
	}
	for key, text := range changed {
		t.Errorf("not expected: %s: %s", key, text)
	}
	for i := range found {
		if _, err := parser.ParseFile(token.NewFileSet(), "p.go", found[i].alone(), 0); err != nil {
			t.Errorf("%s: %v", found[i].key, err)
		}
	}
	all := together([]byte(sample), switched)
	if _, err := parser.ParseFile(token.NewFileSet(), "p.go", all, 0); err != nil {
		t.Errorf("together: %v\n%s", err, all)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "s.go", switchFile("p"), 0); err != nil {
		t.Error(err)
	}
}

// What is excused is there, once, with a reason that counts where it is.
func TestAccepted(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := find(root, targets)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range check(all, accepted) {
		t.Error(fault)
	}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.key] {
			t.Errorf("twice: %s", m.key)
		}
		seen[m.key] = true
	}
}

// A package that is split has all its sources in one target or another.
func TestNoSourceIsLeftOut(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"kmod/emulator"} {
		whole := target{files: dir + "/*.go"}
		want, err := whole.sources(root)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range targets {
			files, err := targets[i].sources(root)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if filepath.Dir(f) == dir {
					got = append(got, f)
				}
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: targets have %q; want %q", dir, got, want)
		}
	}
}

func TestFaultsOfTheTable(t *testing.T) {
	guard, other := &target{guard: true}, &target{}
	all := []mutant{{key: "guard", target: guard}, {key: "other", target: other}}
	for want, list := range map[string][]excuse{
		"":                         {{"guard", second, "x"}, {"other", words, "x"}},
		"no such mutant":           {{"gone", same, "x"}},
		"twice":                    {{"other", same, "x"}, {"other", same, "x"}},
		"no reason":                {{"other", same, ""}},
		"no survivor of this kind": {{"guard", words, "x"}},
	} {
		faults := check(all, list)
		if want == "" && len(faults) > 0 || want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Error(), want)) {
			t.Errorf("%v; want %q", faults, want)
		}
	}
}

func TestVerdictsAreSummed(t *testing.T) {
	list := []mutant{{key: "a"}, {key: "b"}, {key: "c"}}
	for want, outcomes := range map[string][]outcome{
		"":                       {killed, killed, stillborn},
		"survived: b":            {killed, survived, killed},
		"could not be judged: c": {killed, killed, broken},
	} {
		verdicts := make([]verdict, len(outcomes))
		for i, o := range outcomes {
			verdicts[i].outcome = o
		}
		if err := sum(list, verdicts); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %q", outcomes, err, want)
		}
	}
}

// What ends with success before its tests have said so has not passed them.
func TestPassed(t *testing.T) {
	for out, want := range map[string]bool{"PASS\n": true, "log\nPASS\nswept\n": true, "": false, "x": false, "BYPASS\n": false} {
		if passed(out) != want {
			t.Errorf("%q: passed %v", out, !want)
		}
	}
}

// A sample is the same for the same seed, in the table's order, and of what is asked for.
func TestChoice(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := find(root, targets)
	if err != nil {
		t.Fatal(err)
	}
	keys := func(o options) (list []string) {
		for _, m := range choose(all, o) {
			list = append(list, m.key)
		}
		return list
	}
	o := options{run: regexp.MustCompile(""), all: true, sample: 20, seed: 7}
	if a, b := keys(o), keys(o); len(a) != 20 || !slices.Equal(a, b) {
		t.Errorf("%q and then %q", a, b)
	}
	o.sample = 0
	if n := len(keys(o)); n != len(all) {
		t.Errorf("%d of %d", n, len(all))
	}
}
