package depcheck

// Reading the module: its packages from the go command, calls from the source.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const module = "github.com/netbsd-cells/runcell/"

// short names a package of the module as the go command takes it: ./runtime is
// not the standard library's.
func short(pkg string) string {
	if name, ok := strings.CutPrefix(pkg, module); ok {
		return "./" + name
	}
	return pkg
}

// list asks the go command for every package that the module's packages need on
// an operating system.
func list(root, system string) (graph, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,GoFiles", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages for %s: %w: %s", system, err, stderr.String())
	}
	g := graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
			GoFiles    []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		if len(p.GoFiles) == 0 {
			continue // only tests, or nothing on this system
		}
		imports := make([]string, len(p.Imports))
		for i, to := range p.Imports {
			imports[i] = short(to)
		}
		g[short(p.ImportPath)] = imports
	}
}

// sources gives the package's files for every system, without tests.
func sources(root, pkg string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") }), err
}

// relative are the names of calls that resolve a path from a directory's
// descriptor, by the kernel's habit of naming them; named are those that it
// names otherwise.
var (
	relative = regexp.MustCompile(`([a-z]at|At|AT)2?$`)
	absolute = regexp.MustCompile(`^(SYS_[A-Z0-9_]*STAT[0-9]*|SYS_SHMAT|(F|L)?[Ss]tat|Getvfsstat|O_CREAT|.*GETVFSSTAT)$`)
	named    = []string{"Statx", "SYS_STATX"}
)

// isAtCall says whether a name of package unix or syscall is that of a call
// relative to a directory.
func isAtCall(name string) bool {
	if slices.Contains(named, name) || strings.HasSuffix(name, "STATAT") {
		return true
	}
	return relative.MatchString(name) && !absolute.MatchString(name)
}

// atCallsIn lists the calls relative to a directory that a source names, whatever
// the source calls the package.
func atCallsIn(file string, src any) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse source: %w", err)
	}
	raw := map[string]bool{}
	for _, s := range f.Imports {
		name := strings.Trim(s.Path.Value, `"`)
		if name != "golang.org/x/sys/unix" && name != "syscall" {
			continue
		}
		if s.Name != nil {
			raw[s.Name.Name] = true
		} else {
			raw[filepath.Base(name)] = true
		}
	}
	var calls []string
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && raw[x.Name] && isAtCall(s.Sel.Name) {
				calls = append(calls, s.Sel.Name)
			}
		}
		return true
	})
	if raw["."] {
		return nil, fmt.Errorf("%s: a dot import hides whose calls these are", file)
	}
	return calls, nil
}

// lines counts the lines of files.
func lines(files []string) (int, error) {
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return 0, fmt.Errorf("count lines: %w", err)
		}
		n += bytes.Count(b, []byte("\n"))
	}
	return n, nil
}
