package inroot

// The wall is tested on the sources, so that it holds for every system.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources parses the Go files below dir that are not tests.
func sources(t *testing.T, dir string, skip func(path string) bool) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && (skip(rel) || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || skip(rel):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		files[rel] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// plain are the types that hold no descriptor that anyone could get at.
var plain = []string{
	"error", "bool", "string", "[]string", "[]byte", "uint32", "uint64", "int64", "unix.Stat_t", "unix.Timespec",
	"*Tree", "*Dir", "*Place", "File", "Node", "*io.SectionReader",
}

// doors are what else is let out.
var doors = map[string]string{
	"Tree.Depth":     "int",                                  // how many
	"File.Write":     "int",                                  // how many
	"Tree.OpenFile":  "*os.File",                             // a regular file, checked
	"Tree.Imply":     "func() error, func(path string) bool", // told of a path
	"Dir.OpenDevice": "int",                                  // of a character device, checked
	"Place.Ask":      "func(fd int) error",                   // lent, for calls without a name
	"Dir.ChdirStep":  "stage.Step",                           // data for a child
	"Dir.CloseStep":  "stage.Step",                           // data for a child
	"OpenStep":       "stage.Step, *[1]int32",                // opened by a child, in a child
}

// No exported name gives a descriptor away: neither a result, nor what a
// callback gets, nor a field.
func TestNoDescriptorGetsOut(t *testing.T) {
	used := map[string]bool{}
	check := func(name string, typ ast.Expr) {
		text := types.ExprString(typ)
		if slices.Contains(plain, text) {
			return
		}
		if !strings.Contains(doors[name], text) {
			t.Errorf("%s lets a %s out: make it a method that does the work, or a door with a reason", name, text)
		}
		used[name] = true
	}
	for _, f := range sources(t, ".", func(string) bool { return false }) {
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					name = strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*") + "." + name
				}
				if !ast.IsExported(d.Name.Name) || !ast.IsExported(name) {
					continue
				}
				for _, r := range list(d.Type.Results) {
					check(name, r.Type)
				}
				for _, p := range list(d.Type.Params) {
					_, callback := p.Type.(*ast.FuncType)
					pointer, out := p.Type.(*ast.StarExpr)
					if callback || out && types.ExprString(pointer.X) != "os.File" && types.ExprString(pointer.X) != "os.Root" &&
						types.ExprString(pointer.X) != "unix.Stat_t" {
						check(name, p.Type)
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					s, ok := spec.(*ast.TypeSpec)
					if !ok || !s.Name.IsExported() {
						continue
					}
					st, ok := s.Type.(*ast.StructType)
					if !ok {
						t.Errorf("type %s is no struct: its value is open to all", s.Name.Name)
						continue
					}
					for _, field := range st.Fields.List {
						if len(field.Names) == 0 || field.Names[0].IsExported() {
							check(s.Name.Name, field.Type)
						}
					}
				}
			}
		}
	}
	for name := range doors {
		if !used[name] {
			t.Errorf("the door %s is not there any more", name)
		}
	}
}

func list(f *ast.FieldList) []*ast.Field {
	if f == nil {
		return nil
	}
	return f.List
}

// atCalls are the calls that this package alone makes, and their numbers.
var atCalls = regexp.MustCompile(`^(unix|syscall)\.(SYS_)?(` +
	`Openat2?|Mkdirat|Mknodat|Mkfifoat|Symlinkat|Linkat|Renameat2?|Unlinkat|(New)?Fstatat(64)?|Lstatat|Statx|Readlinkat|Fchmodat2?|` +
	`Fchownat|Faccessat2?|UtimesNanoAt|Utimensat(_time64)?|Futimesat|Fchflagsat|Execveat|Name_?To_?Handle_?At|Open_?By_?Handle_?At|` +
	`L(set|get|list|remove)xattr|(set|get|list|remove)xattrat)$`)

func TestNobodyElseCallsThem(t *testing.T) {
	fold := regexp.MustCompile("(?i)" + atCalls.String())
	exempt := []string{
		"conformance",                  // attacks on purpose
		"kmod/inroot",                  // the one
		"image/internal/imagetest",     // for tests
		"kmod/emulator/table_linux.go", // what a cell may not call
	}
	seen := 0
	for path, f := range sources(t, filepath.Join("..", ".."), func(rel string) bool { return slices.Contains(exempt, rel) }) {
		seen++
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && fold.MatchString(types.ExprString(s)) {
				t.Errorf("%s calls %s: give this package a method", path, types.ExprString(s))
			}
			return true
		})
	}
	if seen < 200 {
		t.Errorf("%d files were looked at; want all of the module's", seen)
	}
	// The linter has the same list, for those who write the call.
	config, err := os.ReadFile(filepath.Join("..", "..", ".golangci.yml"))
	if err != nil || !strings.Contains(string(config), `text: '\[at\]'`) {
		t.Errorf("the linter's rule is gone: %v", err)
	}
	own := 0
	for path, f := range sources(t, ".", func(string) bool { return false }) {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && fold.MatchString(types.ExprString(s)) {
				own++
				if !strings.HasPrefix(path, "at") && path != "dir_linux.go" && path != "steps.go" {
					t.Errorf("%s calls %s: that is at.go's business", path, types.ExprString(s))
				}
			}
			return true
		})
	}
	if own < 15 {
		t.Errorf("%d calls were found here; want all of them", own)
	}
}
