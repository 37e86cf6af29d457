package depcheck

// An error's text says a thing once: "create cell: create cell web: ..." is two
// rooms that use the same words for what is one step to who reads it.

import (
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	verb  = regexp.MustCompile(`%[-+#0-9.]*[a-zA-Z]`)
	word  = regexp.MustCompile(`[A-Za-z][-A-Za-z0-9.']*`)
	fewer = 2 // words that say too little: "read x: read y: ..." is about two things
)

// phrase gives the words with which an error begins that wraps another one.
func phrase(call *ast.CallExpr) string {
	f, isSelector := call.Fun.(*ast.SelectorExpr)
	if !isSelector || f.Sel.Name != "Errorf" || len(call.Args) < 2 {
		return ""
	}
	lit, isText := call.Args[0].(*ast.BasicLit)
	if !isText || lit.Kind != token.STRING {
		return ""
	}
	format, err := strconv.Unquote(lit.Value)
	if err != nil || !strings.Contains(format, ": %w") {
		return ""
	}
	first, _, _ := strings.Cut(format, ":")
	words := word.FindAllString(verb.ReplaceAllString(first, ""), -1)
	if len(words) < fewer {
		return ""
	}
	return strings.Join(words, " ")
}

// phrases are those of a file, and where they are.
func (h head) phrases() map[string]int {
	all := map[string]int{}
	ast.Inspect(h.ast, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if p := phrase(call); p != "" {
				all[p] = h.line(call.Pos())
			}
		}
		return true
	})
	return all
}

// TestNothingIsSaidTwice holds that who calls the kernel's boundary leaves it to it
// to say what was done to which cell.
func TestNothingIsSaidTwice(t *testing.T) {
	files := sourceFiles(t)
	said := map[string]string{}
	each := func(dirs []string, use func(phrase, where string)) {
		for _, dir := range slices.Sorted(maps.Keys(files)) {
			if !anyBelow("./"+strings.TrimPrefix(dir, root+"/"), dirs) {
				continue
			}
			for _, f := range files[dir] {
				if strings.HasSuffix(f, "_test.go") {
					continue
				}
				h, err := parseHead(f, nil)
				if err != nil {
					t.Fatal(err)
				}
				for p, line := range h.phrases() {
					use(p, f+":"+strconv.Itoa(line))
				}
			}
		}
	}
	each([]string{"./kmod/emulator", "./kmod/sysctl"}, func(p, where string) {
		if words := strings.Fields(p); slices.Contains(words, "cell") || slices.Contains(words, "cells") {
			said[p] = where
		}
	})
	if said["create cell"] == "" || said["destroy cell"] == "" {
		t.Fatalf("the boundary's words are not found: %q", said)
	}
	each([]string{"./runtime", "./shim", "./cmd"}, func(p, where string) {
		if there := said[p]; there != "" {
			t.Errorf("%s: %q is what %s says already", where, p, there)
		}
	})
}

func TestPhrase(t *testing.T) {
	for text, want := range map[string]string{
		`fmt.Errorf("create cell %s: %w", a, err)`:     "create cell",
		`fmt.Errorf("create cell: %w, so", err)`:       "create cell",
		`fmt.Errorf("read %s: %w", a, err)`:            "",
		`fmt.Errorf("create cell %d", a)`:              "",
		`fmt.Errorf("%q: look at it: %w", a, err)`:     "",
		`fmt.Errorf("cell %d is %q: %w", 1, "x", err)`: "cell is",
	} {
		h, err := parseHead("x.go", "package x\nfunc f() error {\nreturn "+text+"\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for p := range h.phrases() {
			got = p
		}
		if got != want {
			t.Errorf("%s: %q; want %q", text, got, want)
		}
	}
}
