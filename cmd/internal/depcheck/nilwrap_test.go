package depcheck

// An error that is nil is not wrapped: %w prints it as %!w(<nil>).

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// mayBeNil lists the errors that are compared with nil in one part of an "or":
// in the branch behind it they can be nil.
func mayBeNil(cond ast.Expr) (names []string) {
	e, ok := cond.(*ast.BinaryExpr)
	if !ok {
		return nil
	}
	if e.Op == token.LOR {
		return append(comparedWithNil(e.X), comparedWithNil(e.Y)...)
	}
	if e.Op == token.EQL {
		return comparedWithNil(e)
	}
	return nil
}

func comparedWithNil(cond ast.Expr) (names []string) {
	ast.Inspect(cond, func(n ast.Node) bool {
		if e, ok := n.(*ast.BinaryExpr); ok && (e.Op == token.EQL || e.Op == token.NEQ) {
			x, isName := e.X.(*ast.Ident)
			y, isNil := e.Y.(*ast.Ident)
			if isName && isNil && y.Name == "nil" && strings.HasPrefix(strings.ToLower(x.Name), "err") {
				names = append(names, x.Name)
			}
		}
		return true
	})
	return names
}

// nilWraps lists the fmt.Errorf whose %w gets an error that may be nil.
func (h head) nilWraps() (faults []string) {
	ast.Inspect(h.ast, func(n ast.Node) bool {
		branch, ok := n.(*ast.IfStmt)
		if !ok {
			return true
		}
		names := mayBeNil(branch.Cond)
		ast.Inspect(branch.Body, func(n ast.Node) bool {
			if n, ok := n.(*ast.AssignStmt); ok && len(names) > 0 {
				for _, left := range n.Lhs {
					if x, ok := left.(*ast.Ident); ok { // another one from here on
						names = slices.DeleteFunc(names, func(name string) bool { return name == x.Name })
					}
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			f, isSelector := call.Fun.(*ast.SelectorExpr)
			format, isText := call.Args[0].(*ast.BasicLit)
			if !isSelector || !isText || f.Sel.Name != "Errorf" || !strings.Contains(format.Value, "%w") {
				return true
			}
			for _, arg := range call.Args[1:] {
				if x, ok := arg.(*ast.Ident); ok && slices.Contains(names, x.Name) {
					faults = append(faults, fmt.Sprintf("%s:%d: %s may be nil, and is wrapped", h.path, h.line(call.Pos()), x.Name))
				}
			}
			return true
		})
		return true
	})
	return faults
}

func TestNilIsNotWrapped(t *testing.T) {
	for _, files := range sourceFiles(t) {
		for _, f := range files {
			h, err := parseHead(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range h.nilWraps() {
				t.Error(fault)
			}
		}
	}
}

func TestNilWraps(t *testing.T) {
	const wrap = `fmt.Errorf("read %q: %w", got, err)`
	for body, want := range map[string]int{
		"if err != nil { return " + wrap + " }":                           0,
		"if err != nil || got != 1 { return " + wrap + " }":               1,
		"if err == nil || !ok { return " + wrap + " }":                    1,
		"if !ok || got > 2 || err != nil { return " + wrap + " }":         1,
		"if err == nil { return " + wrap + " }":                           1,
		"if err != nil && got == 1 { return " + wrap + " }":               0,
		"if err == nil || !ok { err = f(); return " + wrap + " }":         0,
		`if err != nil || !ok { return fmt.Errorf("read: %v", got) }`:     0,
		"if err != nil || !ok { return errors.Join(err, errors.New(x)) }": 0,
	} {
		h, err := parseHead("x.go", "package x\nfunc f() error {\n"+body+"\nreturn nil\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := h.nilWraps(); len(got) != want {
			t.Errorf("%s: %q; want %d", body, got, want)
		}
	}
}
