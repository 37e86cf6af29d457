package inroot

// The wall is tested on the sources, so that it holds for every system.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
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
	"*Tree", "*Dir", "*Place", "File", "Node", "Mount", "*io.SectionReader",
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
