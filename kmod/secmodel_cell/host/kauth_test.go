package host

// The map from the kernel's symbols to ours, against a made-up release that
// numbers them in its own way and lacks every third one.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/policy"
)

// release is the made-up kernel's header, and what stands for each symbol.
type release struct {
	kauth, have strings.Builder
	numbers     map[policy.Scope]map[uint64]string // actions, or bits
	requests    map[policy.Scope]map[uint64]string
}

// symbols are the table's, the last first.
func symbols(s policy.Scope, of func(*policy.Row) string) []string {
	var list []string
	for i := range policy.Table {
		if row := &policy.Table[i]; row.Scope == s && of(row) != "" && !slices.Contains(list, of(row)) {
			list = append(list, of(row))
		}
	}
	slices.Reverse(list)
	return list
}

func makeRelease() *release {
	r := &release{numbers: map[policy.Scope]map[uint64]string{}, requests: map[policy.Scope]map[uint64]string{}}
	r.kauth.WriteString("#include <stdint.h>\ntypedef uint64_t kauth_action_t;\n")
	for _, s := range policy.Scopes {
		r.numbers[s] = r.enum(symbols(s, func(row *policy.Row) string { return row.Action }), s == policy.ScopeVnode)
		r.requests[s] = r.enum(symbols(s, func(row *policy.Row) string { return row.Request }), false)
	}
	return r
}

// enum writes some of the symbols as enumerators, or as bits: some of those
// that only the 64 bits of later releases have.
func (r *release) enum(list []string, bits bool) map[uint64]string {
	m := map[uint64]string{}
	for i, symbol := range list {
		if i%3 == 2 {
			continue
		}
		n := uint64(2*i + 1)
		if bits {
			n = 1 << (30 + n)
			fmt.Fprintf(&r.kauth, "#define %s %dULL\n", symbol, n)
		} else {
			fmt.Fprintf(&r.kauth, "enum { %s = %d };\n", symbol, n)
		}
		m[n] = symbol
		fmt.Fprintf(&r.have, "#define HAVE_%s 1\n", symbol)
	}
	return m
}

func TestKauthMap(t *testing.T) {
	r := makeRelease()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"sys/kauth.h": r.kauth.String(), "cell_have.h": r.have.String(), "sys/param.h": "", "sys/queue.h": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "kauth_host")
	if err := compile("kauth_host.c", program, "-I"+dir); err != nil {
		t.Fatal(err)
	}
	c := &exec.Cmd{Path: program}
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := r.expected(defines(t, "cell_table.h")); !bytes.Equal(out, []byte(want)) {
		got := strings.Split(string(out), "\n")
		for i, line := range strings.Split(want, "\n") {
			if i >= len(got) || got[i] != line {
				t.Fatalf("line %d (scope, number, action, request) is not %q", i+1, line)
			}
		}
		t.Error("there is more output than expected")
	}
}

// expected is what kauth_host should print.
func (r *release) expected(names map[string]uint64) string {
	var b strings.Builder
	action := func(s policy.Scope, n uint64) uint64 {
		if symbol, ok := r.numbers[s][n]; ok && s != policy.ScopeVnode {
			return names["CELL_ACTION_"+strings.TrimPrefix(symbol, "KAUTH_")]
		}
		return names["CELL_ACTION_"+strings.ToUpper(string(s))+"_OTHER"]
	}
	for _, s := range policy.Scopes {
		for n := range uint64(400) {
			request := uint64(0)
			if symbol, ok := r.requests[s][n]; ok {
				request = requestNumber(names, symbol)
			}
			fmt.Fprintf(&b, "%d %d %d %d\n", scopeNumbers[s], n, action(s, n), request)
		}
	}
	list := symbols(policy.ScopeVnode, func(row *policy.Row) string { return row.Action })
	for _, symbol := range slices.Backward(list) { // in the table's order
		for bit, have := range r.numbers[policy.ScopeVnode] {
			if have == symbol {
				fmt.Fprintf(&b, "vnode %d %d\n", bit, names["CELL_ACTION_"+strings.TrimPrefix(symbol, "KAUTH_")])
			}
		}
	}
	fmt.Fprintf(&b, "vnode %d %d\n", ^uint64(0), names["CELL_ACTION_VNODE_OTHER"])
	return b.String()
}
