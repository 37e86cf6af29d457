package main

// A mutant is a source with one thing changed, under a name that stays the same
// while other lines come and go.

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type mutant struct {
	key    string // file, function, operator, and what it changes
	target *target
	file   string
	number string // in its package, for the switch
	site   site
	src    []byte
}

// switched tells whether it can be in one program with others.
func (m *mutant) switched() bool { return !m.site.edit.instead }

// alone is the source with this change only.
func (m *mutant) alone() []byte {
	e := m.site.edit
	if e.instead {
		return slices.Concat(m.src[:e.from], []byte(e.before), m.src[e.to:])
	}
	fixed := strings.NewReplacer("@OFF", "false", "@ON", "true")
	return slices.Concat(m.src[:e.from], []byte(fixed.Replace(e.before)), m.src[e.from:e.to], []byte(fixed.Replace(e.behind)), m.src[e.to:])
}

// together is the source of a file with all changes that can be switched on.
func together(src []byte, list []*mutant) []byte {
	type insert struct {
		at, order int
		text      string
	}
	var texts []insert
	for i, m := range list {
		on := switchName + ` == "` + m.number + `"`
		text := strings.NewReplacer("@OFF", switchName+` != "`+m.number+`"`, "@ON", on)
		e := m.site.edit
		// What stands around another comes before it in the list. At one place
		// inner ends come first, then outer ones, then outer begins.
		texts = append(texts, insert{e.from, len(list) + i, text.Replace(e.before)}, insert{e.to, len(list) - i - 1, text.Replace(e.behind)})
	}
	slices.SortStableFunc(texts, func(a, b insert) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	var out []byte
	done := 0
	for _, t := range texts {
		out = append(append(out, src[done:t.at]...), t.text...)
		done = t.at
	}
	return append(out, src[done:]...)
}

// switchName is the variable that says which mutant it is: in the programs that
// tests build the linker sets it, in tests themselves the environment does.
const (
	switchName = "mutantOfThisPackage"
	linkName   = "mutantLinked"
	switchEnv  = "MUTANT_SWITCH"
)

// switchFile is what is added to a package: the switch, and what changes use
// that are no conditions. What is shifted by 64 is 0, of whatever type it is.
func switchFile(pkg string) string {
	return "package " + pkg + `

import "syscall"

var ` + linkName + ` string

var ` + switchName + ` = func() string {
	if ` + linkName + ` != "" {
		return ` + linkName + `
	}
	v, _ := syscall.Getenv("` + switchEnv + `")
	return v
}()

func mutantBits(on bool) uint {
	if on {
		return 64
	}
	return 0
}

func mutantRaw(on bool, form func(string) string) func(string) string {
	if on {
		return func(s string) string { return s }
	}
	return form
}

func mutantWithout[S ~[]T, T any](on bool, list S, i int) S {
	if on {
		return append(list[:i:i], list[i+1:]...)
	}
	return list
}

func mutantLacking[M ~map[K]V, K comparable, V any](on bool, table M, key K) M {
	if on {
		delete(table, key)
	}
	return table
}
`
}

// find lists the mutants of all targets, in the order of the table and of the
// sources.
func find(root string, list []target) ([]mutant, error) {
	var all []mutant
	for i := range list {
		files, err := list[i].sources(root)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			found, err := inFile(root, f)
			if err != nil {
				return nil, err
			}
			for _, m := range found {
				m.target = &list[i]
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// sources are the files of a target, from the module's root.
func (t *target) sources(root string) ([]string, error) {
	var files []string
	for _, pattern := range strings.Fields(t.files) {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		n := 0
		for _, f := range found {
			if strings.HasSuffix(f, "_test.go") || strings.HasSuffix(f, "_netbsd.go") || strings.HasSuffix(f, "_arm64.go") || filepath.Base(f) == "doc.go" {
				continue // not what runs here
			}
			name, err := filepath.Rel(root, f)
			if err != nil {
				return nil, err
			}
			files = append(files, name)
			n++
		}
		if n == 0 {
			return nil, fmt.Errorf("targets: %s: no such file", pattern)
		}
	}
	return files, nil
}

func inFile(root, name string) ([]mutant, error) {
	src, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []mutant
	seen := map[string]int{}
	for _, d := range parsed.Decls {
		f := &finder{file: fset.File(parsed.Pos()), src: src}
		where := f.declaration(d)
		for _, s := range f.sites {
			key := fmt.Sprintf("%s %s %s: %s", name, where, s.op, s.text)
			if seen[key]++; seen[key] > 1 {
				key = fmt.Sprintf("%s #%d", key, seen[key])
			}
			all = append(all, mutant{key: key, file: name, number: fmt.Sprintf("%s:%d", filepath.Base(name), len(all)), site: s, src: src})
		}
	}
	return all, nil
}

// declaration finds what can be changed in a function or a table, and names it.
func (f *finder) declaration(d ast.Decl) (name string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name = d.Name.Name
		if d.Recv != nil {
			name = strings.TrimPrefix(f.text(d.Recv.List[0].Type), "*") + "." + name
		}
		if d.Body != nil {
			f.fn = d.Type
			f.walk(d.Body, d)
		}
	case *ast.GenDecl:
		name = "var"
		for _, s := range d.Specs {
			v, ok := s.(*ast.ValueSpec)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for i, value := range v.Values {
				if list, ok := value.(*ast.CompositeLit); ok {
					f.rows(v.Names[i].Name, list)
				}
				f.walk(value, v)
			}
		}
	}
	return name
}
