package depcheck

// Containers of a pod share a shim, so a goroutine of it begins with shim.Guard: a
// panic that nobody guards ends the process, and all of them.

import (
	"fmt"
	"go/ast"
	"testing"
)

// guarded are the rooms of the process that stays. The program that starts it, and
// that which deletes, are for one container each.
var guarded = []string{"./shim/task", "./shim/stdio", "./shim/mounts", "./shim/events"}

// unguarded lists what begins a goroutine without a guard: go statements, and
// functions that have one run by a clock or a wait group.
func (h head) unguarded() (faults []string) {
	ast.Inspect(h.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			faults = append(faults, fmt.Sprintf("%s:%d: go: shim.Go does it", h.path, h.line(n.Pos())))
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 || f.Sel.Name != "Go" && f.Sel.Name != "AfterFunc" {
				return true
			}
			if x, ok := f.X.(*ast.Ident); ok && x.Name == "shim" || guards(n.Args[len(n.Args)-1]) {
				return true
			}
			faults = append(faults, fmt.Sprintf("%s:%d: %s: give it func() { shim.Guard(…) }", h.path, h.line(n.Pos()), f.Sel.Name))
		}
		return true
	})
	return faults
}

// guards tells whether a function does nothing but call shim.Guard.
func guards(e ast.Expr) bool {
	lit, ok := e.(*ast.FuncLit)
	if !ok || len(lit.Body.List) != 1 {
		return false
	}
	s, ok := lit.Body.List[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := s.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := f.X.(*ast.Ident)
	return ok && x.Name == "shim" && f.Sel.Name == "Guard"
}

func TestGoroutinesAreGuarded(t *testing.T) {
	for _, p := range guarded {
		files, err := sources(root, p)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has %d files, %v", p, len(files), err)
		}
		for _, f := range files {
			h, err := parseHead(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range h.unguarded() {
				t.Error(fault)
			}
		}
	}
}

func TestUnguarded(t *testing.T) {
	for body, want := range map[string]int{
		`go f()`:                             1,
		`go func() { shim.Guard("a", f) }()`: 1,
		`shim.Go("a", f)`:                    0,
		`all.Go(f)`:                          1,
		`all.Go(func() { f(); shim.Guard("a", f) })`:      1,
		`all.Go(func() { shim.Guard("a", f) })`:           0,
		`time.AfterFunc(1, f)`:                            1,
		`time.AfterFunc(1, s.f)`:                          1,
		`time.AfterFunc(1, func() { shim.Guard("", f) })`: 0,
	} {
		h, err := parseHead("x.go", "package x\nfunc g() {\n"+body+"\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := h.unguarded(); len(got) != want {
			t.Errorf("%s: %q; want %d", body, got, want)
		}
	}
}
