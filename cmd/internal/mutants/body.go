package main

// What the compiler gets instead of the tree's files.

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeBody writes files, and the table that puts them in place of others.
func writeBody(dir string, files map[string][]byte) (*body, error) {
	replace := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(files)) {
		replace[name] = filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(replace[name], files[name], 0o600); err != nil {
			return nil, err
		}
	}
	b := &body{overlay: filepath.Join(dir, "overlay.json")}
	table, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	return b, errors.Join(err, os.WriteFile(b.overlay, table, 0o600))
}

// env is for every compiler: tests build programs, too.
func (b *body) env(number string) []string {
	flags := os.Getenv("GOFLAGS") + " -overlay=" + b.overlay
	if b.program != "" && number != "" {
		flags += " -ldflags=-X=" + b.program + "." + linkName + "=" + number
	}
	return []string{"GOFLAGS=" + strings.TrimSpace(flags)}
}

// embody makes a body of each package of which mutants can be switched.
func (c *court) embody(list []mutant) error {
	byDir := map[string][]*mutant{}
	for i := range list {
		if m := &list[i]; m.switched() {
			byDir[filepath.Dir(m.file)] = append(byDir[filepath.Dir(m.file)], m)
		} else if _, ok := byDir[filepath.Dir(m.file)]; !ok {
			byDir[filepath.Dir(m.file)] = nil
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		b, err := c.compile(dir, byDir[dir])
		if err != nil {
			return err
		}
		c.bodies[dir] = b
	}
	return nil
}

func (c *court) compile(dir string, list []*mutant) (*body, error) {
	into, err := os.MkdirTemp(c.dir, "p")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	byFile := map[string][]*mutant{}
	for _, m := range list {
		byFile[m.file] = append(byFile[m.file], m)
	}
	name := filepath.Base(dir)
	for file, some := range byFile {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, some[0].src, parser.PackageClauseOnly)
		if err != nil {
			return nil, err
		}
		name = parsed.Name.Name
		files[filepath.Join(c.root, file)] = together(some[0].src, some)
	}
	if len(list) > 0 {
		files[filepath.Join(c.root, dir, "zz_mutants.go")] = []byte(switchFile(name))
	}
	b, err := writeBody(into, files)
	if err != nil {
		return nil, err
	}
	b.program = modulePath + "/" + filepath.ToSlash(dir)
	if out, err := c.exec(c.ctx, b.env(""), "go", "build", "-gcflags=-e", "./"+dir); err != nil {
		return nil, fmt.Errorf("%s does not compile with its mutants: %w\n%s", dir, err, out)
	}
	return b, nil
}

const modulePath = "github.com/netbsd-cells/runcell"
