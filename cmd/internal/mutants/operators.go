package main

// What is changed in a source, one thing at a time. Everything that is taken out
// stays in the text where it never runs, so that what it uses is still used and
// the rest compiles.

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// The operators. Each takes away something on which a guard can depend.
const (
	opSkip     = "skip"     // a condition is false: what the branch refuses is not refused
	opOmit     = "omit"     // a call or an assignment is not made
	opNil      = "nil"      // what is returned as an error is not even asked
	opOperand  = "operand"  // one part of an "and" or an "or" does not count
	opBoundary = "boundary" // < and <=, > and >= are exchanged
	opConst    = "const"    // a predicate always says the same
	opFlag     = "flag"     // one flag of several is not set
	opRow      = "row"      // a table lacks a row
	opRaw      = "raw"      // a name is taken as it is written
)

// edit puts text before and behind a part of a source. With switches it is there
// all the time, and @ON and @OFF tell whether this mutant is the one.
type edit struct {
	from, to       int
	before, behind string
	instead        bool // the part goes: this can't be switched
}

// site is a place where an operator applies, and what stands there.
type site struct {
	op, text string
	edit     edit
}

// harmless are calls and fields without which nothing is let through: what they
// leave open or locked, other tests look for.
var harmless = map[string]bool{
	"Close": true, "close": true, "CloseFD": true, "CloseChild": true, "Lock": true, "Unlock": true, "Helper": true, "Did": true, // undone, closed
	"Keep": true, "Name": true, // what a step keeps alive, and is called
	"Warnf": true, "Infof": true, "Debugf": true, "Program": true, "Say": true, // told
}

// plain are calls that give a name its one form.
var plain = map[string]bool{"path.Clean": true, "filepath.Clean": true, "strings.ToLower": true, "strings.ToUpper": true, "strings.TrimSpace": true}

// finder walks one function, or one table of a file.
type finder struct {
	file  *token.File
	src   []byte
	fn    *ast.FuncType // whose returns are looked at
	fixed bool          // in constants: nothing can be switched there
	sites []site
}

func (f *finder) offset(p token.Pos) int { return f.file.Offset(p) }

func (f *finder) text(n ast.Node) string {
	return strings.Join(strings.Fields(string(f.src[f.offset(n.Pos()):f.offset(n.End())])), " ")
}

func (f *finder) add(op, text string, n ast.Node, before, behind string) {
	f.sites = append(f.sites, site{op, text, edit{from: f.offset(n.Pos()), to: f.offset(n.End()), before: before, behind: behind}})
}

func (f *finder) never(op, text string, n ast.Node)  { f.add(op, text, n, "if @OFF { ", " }") }
func (f *finder) falsy(op, text string, n ast.Node)  { f.add(op, text, n, "(@OFF && (", "))") }
func (f *finder) truthy(op, text string, n ast.Node) { f.add(op, text, n, "(@ON || (", "))") }

func (f *finder) instead(op, text string, from, to int, other string) {
	f.sites = append(f.sites, site{op, text, edit{from: from, to: to, before: other, instead: true}})
}

// walk looks at a node and all below it; parent is what it stands in.
func (f *finder) walk(n, parent ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.branch(n, parent)
	case *ast.SwitchStmt:
		f.cases(n)
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.ExprStmt:
		if call, ok := n.X.(*ast.CallExpr); ok && inBlock(n, parent) && !harmless[lastName(call.Fun)] && lastName(call.Fun) != "panic" {
			f.never(opOmit, f.text(n), n)
		}
	case *ast.AssignStmt:
		f.assignment(n, parent)
	case *ast.ReturnStmt:
		f.result(n)
	case *ast.CallExpr:
		if plain[f.text(n.Fun)] && len(n.Args) == 1 {
			f.add(opRaw, f.text(n), n.Fun, "mutantRaw(@ON, ", ")")
		}
	case *ast.GenDecl:
		outer := f.fixed
		f.fixed = n.Tok == token.CONST
		f.children(n)
		f.fixed = outer
		return
	case *ast.FuncLit:
		f.literal(n)
		return
	}
	f.children(n)
}

func (f *finder) children(n ast.Node) {
	ast.Inspect(n, func(c ast.Node) bool {
		if c == nil || c == n {
			return c != nil
		}
		f.walk(c, n)
		return false
	})
}

// literal walks a function within one.
func (f *finder) literal(n *ast.FuncLit) {
	outer := f.fn
	f.fn = n.Type
	f.walk(n.Body, n)
	f.fn = outer
}

// branch: "if err := f(); err != nil" is f's call, others are a decision.
func (f *finder) branch(n *ast.IfStmt, parent ast.Node) {
	_, otherwise := parent.(*ast.IfStmt)
	if repeats(n.Cond) {
		return
	}
	if !comparesError(n.Cond) {
		f.falsy(opSkip, "if "+f.text(n.Cond), n.Cond)
		return
	}
	if n.Init != nil && !otherwise && n.Else == nil {
		f.never(opOmit, "if "+f.text(n.Init), n)
	}
}

func (f *finder) cases(n *ast.SwitchStmt) {
	for _, s := range n.Body.List {
		c := s.(*ast.CaseClause)
		if n.Tag == nil {
			for _, e := range c.List {
				if !comparesError(e) && !repeats(e) {
					f.falsy(opSkip, "case "+f.text(e), e)
				}
			}
			continue
		}
		if len(c.Body) == 0 || len(c.List) == 0 {
			continue
		}
		last := c.Body[len(c.Body)-1]
		switch last.(type) {
		case *ast.ReturnStmt, *ast.BranchStmt: // nothing else would end the function
		default:
			whole := &ast.BlockStmt{Lbrace: c.Body[0].Pos(), Rbrace: last.End() - 1}
			f.never(opSkip, "case "+f.text(c.List[0]), whole)
		}
	}
}

func (f *finder) binary(n *ast.BinaryExpr) {
	other := map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}[n.Op]
	switch {
	case other != "":
		f.add(opBoundary, f.text(n), n, "(@OFF && (", ") || @ON && ("+f.text(n.X)+" "+other+" "+f.text(n.Y)+"))")
	case n.Op == token.LAND || n.Op == token.LOR:
		for _, e := range []ast.Expr{n.X, n.Y} {
			if b, ok := ast.Unparen(e).(*ast.BinaryExpr); ok && (b.Op == token.LAND || b.Op == token.LOR) {
				continue
			}
			if n.Op == token.LAND {
				f.truthy(opOperand, f.text(e)+" &&", e)
			} else {
				f.falsy(opOperand, f.text(e)+" ||", e)
			}
		}
	case n.Op == token.OR:
		for _, e := range []ast.Expr{n.X, n.Y} {
			switch e.(type) {
			case *ast.SelectorExpr, *ast.Ident:
				if lastName(e) == "O_RDONLY" { // is 0
					continue
				}
				t := f.text(e)
				if what := t + " in " + f.text(n); f.fixed {
					f.instead(opFlag, what, f.offset(e.Pos()), f.offset(e.End()), "("+t+" &^ "+t+")")
				} else {
					f.add(opFlag, what, e, "(", " << mutantBits(@ON))")
				}
			}
		}
	}
}

// assignment: what is added to a list, put into a field, or asked with an error
// for an answer.
func (f *finder) assignment(n *ast.AssignStmt, parent ast.Node) {
	if n.Tok == token.DEFINE || len(n.Rhs) != 1 {
		return
	}
	if !inBlock(n, parent) {
		return // a part of an if or a for
	}
	call, isCall := n.Rhs[0].(*ast.CallExpr)
	switch to := n.Lhs[0].(type) {
	case *ast.SelectorExpr, *ast.IndexExpr:
		if !harmless[lastName(n.Lhs[0])] {
			f.never(opOmit, f.text(n), n)
		}
	case *ast.Ident:
		if isCall && to.Name != "_" && (len(n.Lhs) == 1 && isError(to) || lastName(call.Fun) == "append") {
			f.never(opOmit, f.text(n), n)
		}
	}
}

// result: an error that a call gives is not asked for; a predicate is constant.
func (f *finder) result(n *ast.ReturnStmt) {
	if f.fn == nil || f.fn.Results == nil || len(f.fn.Results.List) != 1 || len(n.Results) != 1 {
		return
	}
	typ, ok := f.fn.Results.List[0].Type.(*ast.Ident)
	if !ok {
		return
	}
	e := n.Results[0]
	switch typ.Name {
	case "error":
		if call, ok := e.(*ast.CallExpr); ok && !makesError(call) {
			f.add(opNil, f.text(n), n, "if @OFF { ", " }; return nil")
		}
	case "bool":
		b, isBinary := e.(*ast.BinaryExpr)
		if _, isName := e.(*ast.Ident); isName || isBinary && (b.Op == token.LAND || b.Op == token.LOR) {
			return
		}
		f.truthy(opConst, f.text(n)+" = true", e)
		f.falsy(opConst, f.text(n)+" = false", e)
	}
}

// rows are the elements of a table. An array has as many as its type says.
func (f *finder) rows(name string, list *ast.CompositeLit) {
	switch typ := list.Type.(type) {
	case *ast.ArrayType:
		for i, e := range list.Elts {
			if _, keyed := e.(*ast.KeyValueExpr); keyed || typ.Len != nil {
				f.row(name, e)
			} else {
				f.add(opRow, f.rowText(name, e), list, "mutantWithout(@ON, ", fmt.Sprintf(", %d)", i))
			}
		}
	case *ast.MapType:
		for _, e := range list.Elts {
			f.add(opRow, f.rowText(name, e), list, "mutantLacking(@ON, ", ", "+f.text(e.(*ast.KeyValueExpr).Key)+")")
		}
	}
}

// row takes an element out of the text.
func (f *finder) row(name string, e ast.Expr) {
	from, to := f.offset(e.Pos()), f.offset(e.End())
	if rest := strings.TrimLeft(string(f.src[to:]), " \t"); strings.HasPrefix(rest, ",") {
		to = len(f.src) - len(rest) + 1
	}
	f.instead(opRow, f.rowText(name, e), from, to, "")
}

func (f *finder) rowText(name string, e ast.Expr) string {
	text := f.text(e)
	return name + ": " + text[:min(len(text), 80)]
}

// inBlock tells whether a statement stands for itself, where another can be put.
func inBlock(n, parent ast.Node) bool {
	switch p := parent.(type) {
	case *ast.BlockStmt, *ast.CaseClause:
		return true
	case *ast.CommClause:
		return p.Comm != n
	}
	return false
}

// comparesError tells whether a condition asks for an error, and nothing else.
func comparesError(e ast.Expr) bool {
	b, ok := e.(*ast.BinaryExpr)
	if !ok || b.Op != token.NEQ && b.Op != token.EQL {
		return false
	}
	y, isNil := b.Y.(*ast.Ident)
	return isNil && y.Name == "nil" && isError(b.X)
}

// repeats tells whether a condition asks only whether a signal has interrupted a
// system call, which is made again then: without it nothing would end, or, as
// long as no signal comes, nothing would differ.
func repeats(e ast.Expr) bool {
	if not, ok := e.(*ast.UnaryExpr); ok {
		e = not.X
	}
	call, ok := e.(*ast.CallExpr)
	return ok && lastName(call.Fun) == "Is" && len(call.Args) == 2 && lastName(call.Args[1]) == "EINTR"
}

func isError(e ast.Expr) bool {
	x, ok := e.(*ast.Ident)
	return ok && (strings.HasPrefix(x.Name, "err") || strings.HasSuffix(x.Name, "err"))
}

func makesError(c *ast.CallExpr) bool {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && (x.Name == "errors" || x.Name == "fmt")
}

// lastName is the name of a function or a field without what it belongs to.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
