package main

// cell_kauth.h: the kernel's symbols in our numbers. Releases number their
// symbols differently and some lack a few, so the names are compiled against
// the kernel at hand.

import (
	"bytes"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod/policy"
)

const kauthBegin = `#ifndef _CELL_KAUTH_H_
#define _CELL_KAUTH_H_

/*
 * For kernel files only.  The kernel's symbols are enumerators, which the
 * preprocessor can't see: the build makes cell_have.h from its sys/kauth.h,
 * with a HAVE_ for each of them.
 */

#include <sys/param.h>
#include <sys/queue.h>
#include <sys/kauth.h>

#include "cell_have.h"
#include "cell_table.h"

`

const kauthEnd = `/* Vnode actions are sets of bits; a member is asked for each. */
struct cell_kauth_bit {
	kauth_action_t	kb_mask;
	uint8_t		kb_action;
};

`

const kauthScopes = `/* A scope: its actions and requests, and what all others count as. */
struct cell_kauth_scope {
	const uint8_t	*kx_actions, *kx_requests;
	uint16_t	kx_nactions, kx_nrequests;
	uint8_t		kx_other;
};

`

const kauthLookup = `/* The kernel's action of a scope (not the vnode scope), as CELL_ACTION_*. */
static inline unsigned
cell_kauth_action(unsigned scope, uintptr_t action)
{
	const struct cell_kauth_scope *kx = &cell_kauth_scopes[scope];

	if (action < kx->kx_nactions && kx->kx_actions[action] != 0)
		return kx->kx_actions[action];
	return kx->kx_other;
}

/* The kernel's request of a scope, as CELL_REQ_*. */
static inline unsigned
cell_kauth_request(unsigned scope, uintptr_t request)
{
	const struct cell_kauth_scope *kx = &cell_kauth_scopes[scope];

	return request < kx->kx_nrequests ? kx->kx_requests[request] : 0;
}

#endif /* _CELL_KAUTH_H_ */
`

func kauthHeader() []byte {
	var b bytes.Buffer
	b.WriteString(begin + kauthBegin)
	list := actions()
	for _, s := range policy.Scopes {
		if s == policy.ScopeVnode {
			continue
		}
		fmt.Fprintf(&b, "static const uint8_t cell_kauth_%s_actions[] = {\n\t[0] = 0,\n", s)
		for i := range list {
			if a := &list[i]; a.scope == s && a.kauth != "" {
				known(&b, a.kauth, fmt.Sprintf("[%s] = %s", a.kauth, a.name()))
			}
		}
		b.WriteString("};\n\n")
		if requests(s) == nil {
			continue
		}
		fmt.Fprintf(&b, "static const uint8_t cell_kauth_%s_requests[] = {\n\t[0] = 0,\n", s)
		for _, r := range requests(s) {
			known(&b, r, fmt.Sprintf("[%s] = %s", r, requestName(r)))
		}
		b.WriteString("};\n\n")
	}
	b.WriteString(kauthEnd)
	vnodeBits(&b, list)
	scopeIndex(&b)
	b.WriteString(kauthLookup)
	return b.Bytes()
}

// known writes an entry for kernels that have its symbol.
func known(b *bytes.Buffer, symbol, entry string) {
	fmt.Fprintf(b, "#ifdef HAVE_%s\n\t%s,\n#endif\n", symbol, entry)
}

func vnodeBits(b *bytes.Buffer, list []action) {
	b.WriteString("static const struct cell_kauth_bit cell_kauth_vnode[] = {\n")
	for i := range list {
		if a := &list[i]; a.scope == policy.ScopeVnode && a.kauth != "" {
			known(b, a.kauth, fmt.Sprintf("{ %s, %s }", a.kauth, a.name()))
		}
	}
	b.WriteString("\t/* Whatever it is. */\n\t{ ~(kauth_action_t)0, CELL_ACTION_VNODE_OTHER },\n};\n\n")
}

func scopeIndex(b *bytes.Buffer) {
	b.WriteString(kauthScopes + "static const struct cell_kauth_scope cell_kauth_scopes[CELL_SCOPE_MAX] = {\n")
	for _, s := range policy.Scopes {
		c := "CELL_SCOPE_" + upper(string(s))
		fmt.Fprintf(b, "\t[%s] = {\n", c)
		if s != policy.ScopeVnode {
			fmt.Fprintf(b, "\t\t.kx_actions = cell_kauth_%s_actions,\n\t\t.kx_nactions = sizeof(cell_kauth_%s_actions),\n", s, s)
		}
		if requests(s) != nil {
			fmt.Fprintf(b, "\t\t.kx_requests = cell_kauth_%s_requests,\n\t\t.kx_nrequests = sizeof(cell_kauth_%s_requests),\n", s, s)
		}
		fmt.Fprintf(b, "\t\t.kx_other = CELL_ACTION_%s_OTHER,\n\t},\n", upper(string(s)))
	}
	b.WriteString("};\n\n")
}
