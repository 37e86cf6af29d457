package main

// Another revision of runcell, measured in the same rounds, and what benchstat
// says of the two.

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// baseMark is in the name of what belongs to the other revision.
const baseMark = " (base)"

// runcells are the binaries to measure, by what their rows have in their name:
// ours, and the other revision's if there is one.
func (o options) runcells() []struct{ mark, path string } {
	list := []struct{ mark, path string }{{"", o.runcell}}
	if o.base != "" {
		list = append(list, struct{ mark, path string }{baseMark, o.base})
	}
	return list
}

// buildBase exports the revision into a new directory, builds it there as
// make does, and gives its runcell. The work tree stays as it is.
func buildBase(o options, dir string) (string, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	commit, err := output("git", "-C", o.tree, "rev-parse", "--verify", "--short=12", o.revision+"^{commit}")
	if err != nil {
		return "", err
	}
	commit = strings.TrimSpace(commit)
	archive := filepath.Join(dir, "base.tar")
	for _, argv := range [][]string{
		{"git", "-C", o.tree, "archive", "--output", archive, commit},
		{"tar", "-xf", archive, "-C", dir},
		{"make", "-C", dir, "build", "GO=" + cmp.Or(os.Getenv("GO"), "go"), "COMMIT=" + commit},
	} {
		if _, err := output(argv...); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "bin/runcell"), nil
}

// output runs a program of PATH and gives what it printed.
func output(argv ...string) (string, error) {
	c := exec.Command(argv[0], argv[1:]...)
	// A make above us has no say in the one that we start.
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "MAKEFLAGS" || name == "MFLAGS" || name == "MAKELEVEL"
	})
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.String(), nil
}

// verdicts prints benchstat's table of what both revisions have.
func verdicts(o options, dir string, samples map[string][]float64, out io.Writer) error {
	base, ours := benchTexts(samples)
	argv := []string{o.benchstat}
	for _, column := range []struct{ name, text string }{{"base", base}, {"here", ours}} {
		file := filepath.Join(dir, column.name+".txt")
		if err := os.WriteFile(file, []byte(column.text), 0o644); err != nil {
			return err
		}
		argv = append(argv, column.name+"="+file)
	}
	table, err := output(argv...)
	if err != nil {
		return fmt.Errorf("compare (make benchstat gets it): %w", err)
	}
	_, _ = fmt.Fprintf(out, "\nRevision %s, and here: \"~\" means that no difference is seen. One row in twenty differs by chance.\n\n%s", o.revision, table)
	return nil
}

// benchTexts are the samples of the other revision and ours as go test prints
// them, of the rows that both have.
func benchTexts(samples map[string][]float64) (base, ours string) {
	var b, o strings.Builder
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		own := strings.Replace(name, baseMark, "", 1)
		if own == name || len(samples[own]) == 0 {
			continue
		}
		writeSamples(&b, own, samples[name])
		writeSamples(&o, own, samples[own])
	}
	return b.String(), o.String()
}

// benchName makes one word of a row's name.
var benchName = strings.NewReplacer(" ", "_", ",", "", "(", "", ")", "")

func writeSamples(to *strings.Builder, name string, values []float64) {
	u := unitOf(name)
	for _, v := range values {
		to.WriteString("Benchmark" + benchName.Replace(strings.ToUpper(name[:1])+name[1:]) + " 1 " + strconv.FormatFloat(v*u.times, 'g', -1, 64) + " " + u.known + "\n")
	}
}
