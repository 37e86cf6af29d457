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
	"maps"
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
// descriptor, by the kernel's habit of naming them; absolute those that only look
// like it. named resolve one too and are named otherwise, or take a whole path.
var (
	relative = regexp.MustCompile(`([a-z]at|At|AT)2?$`)
	absolute = regexp.MustCompile(`^(SYS_[A-Z0-9_]*STAT[0-9]*|SYS_SHMAT|(F|L)?[Ss]tat|Getvfsstat|O_CREAT|.*GETVFSSTAT)$`)
	named    = regexp.MustCompile(`^((SYS_)?(STATX|Statx)|` +
		`(L?(set|get|list|remove)xattr)|L(set|get|list|remove)xattr|(Set|Get|List|Remove)xattr|` +
		`Open|Creat|Stat|Lstat|Access|Mkdir|Mknod|Mkfifo|Symlink|Link|Rename|Unlink|Rmdir|Readlink|Chmod|Chown|Lchown|Truncate|Utime(s|sNano)?|Chflags|Lchflags|` +
		`SYS_(OPEN|CREAT|STAT|LSTAT|ACCESS|MKDIR|MKNOD|MKFIFO|SYMLINK|LINK|RENAME|UNLINK|RMDIR|READLINK|CHMOD|CHOWN|LCHOWN|TRUNCATE|UTIMES?|L?(SET|GET|LIST|REMOVE)XATTR))$`)
)

// takesName says whether a name of package unix or syscall is that of a call
// that is given the name of a file.
func takesName(name string) bool {
	if named.MatchString(name) || strings.HasSuffix(name, "STATAT") {
		return true
	}
	return relative.MatchString(name) && !absolute.MatchString(name)
}

// imports finds by which names a source has some packages.
func imports(f *ast.File, paths ...string) map[string]bool {
	names := map[string]bool{}
	for _, s := range f.Imports {
		path := strings.Trim(s.Path.Value, `"`)
		switch {
		case !slices.Contains(paths, path):
		case s.Name != nil:
			names[s.Name.Name] = true
		default:
			names[filepath.Base(path)] = true
		}
	}
	return names
}

// callsIn lists, sorted, the calls that a source makes of what takes a name,
// whatever it calls the package, and the numbers that it gives to what calls by
// number: literal ones, and constants of its own that are named as one (sysOpen).
func callsIn(file string, src any) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse source: %w", err)
	}
	raw := imports(f, "golang.org/x/sys/unix", "syscall")
	if raw["."] {
		return nil, fmt.Errorf("%s: a dot import hides whose calls these are", file)
	}
	byNumber := imports(f, "golang.org/x/sys/unix", "syscall", module+"kmod/stage")
	inStage := f.Name.Name == "stage"
	seen := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && raw[x.Name] && takesName(n.Sel.Name) {
				seen[n.Sel.Name] = true
			}
		case *ast.CallExpr:
			if len(byNumber) > 0 || inStage {
				number(seen, n)
			}
		case *ast.KeyValueExpr:
			if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Nr" {
				literal(seen, n.Value)
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if sysConst.MatchString(name.Name) && i < len(n.Values) {
					if v, ok := n.Values[i].(*ast.BasicLit); ok {
						seen[name.Name+"="+v.Value] = true
					}
				}
			}
		}
		return true
	})
	return slices.Sorted(maps.Keys(seen)), nil
}

// sysConst are names of a system call's number.
var sysConst = regexp.MustCompile(`^sys[A-Z]`)

// callers are functions that make a call by its number, and which argument it is.
var callers = map[string]int{
	"Syscall": 0, "Syscall6": 0, "Syscall9": 0, "RawSyscall": 0, "RawSyscall6": 0, "rawSyscall6": 0, "Sys": 1, "Path": 1, "OnFD": 1,
}

// number notes a literal number that is called.
func number(seen map[string]bool, call *ast.CallExpr) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	if i, ok := callers[name]; ok && i < len(call.Args) {
		literal(seen, call.Args[i])
	}
}

func literal(seen map[string]bool, e ast.Expr) {
	if v, ok := e.(*ast.BasicLit); ok && v.Kind == token.INT {
		seen[v.Value] = true
	}
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
