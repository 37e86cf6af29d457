package host

// A kernel release of our making: a sys/kauth.h with the table's symbols in
// numbers of its own.

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/policy"
)

// Release numbers the symbols of kauth(9): actions and requests by scope,
// those of the vnode scope by bits.
type Release map[string]uint64

// NewRelease has every symbol of the table but those that are left out. As in
// NetBSD a symbol's number says nothing outside of its scope.
func NewRelease(without ...string) Release {
	r := Release{}
	for _, s := range policy.Scopes {
		actions, requests := uint64(0), uint64(0)
		for i := range policy.Table {
			row := &policy.Table[i]
			if row.Scope != s {
				continue
			}
			for _, a := range row.Actions() {
				if _, ok := r[a]; !ok && !slices.Contains(without, a) {
					actions++
					r[a] = actions
				}
			}
			if _, ok := r[row.Request]; !ok && row.Request != "" && !slices.Contains(without, row.Request) {
				requests++
				r[row.Request] = requests
			}
		}
	}
	for symbol, n := range r {
		if strings.HasPrefix(symbol, "KAUTH_VNODE_") {
			r[symbol] = 1 << (n + 8)
		}
	}
	return r
}

// write makes the headers that cell_rows.c includes.
func (r Release) write(dir string) error {
	var kauth, have strings.Builder
	kauth.WriteString("#include <stdint.h>\ntypedef uint64_t kauth_action_t;\n")
	for symbol, n := range r {
		if strings.HasPrefix(symbol, "KAUTH_VNODE_") {
			fmt.Fprintf(&kauth, "#define %s %dULL\n", symbol, n)
		} else {
			fmt.Fprintf(&kauth, "enum { %s = %d };\n", symbol, n)
		}
		fmt.Fprintf(&have, "#define HAVE_%s 1\n", symbol)
	}
	if err := os.Mkdir(filepath.Join(dir, "sys"), 0o700); err != nil {
		return err
	}
	for file, text := range map[string]string{
		"sys/kauth.h": kauth.String(), "sys/param.h": "", "sys/queue.h": "", "cell_have.h": have.String(),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
