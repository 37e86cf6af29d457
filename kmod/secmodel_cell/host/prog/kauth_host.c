/*
 * Prints what cell_kauth.h makes of the kernel's symbols: a line for each
 * scope and number, with the action and the request.  Compiled against a
 * sys/kauth.h of the test's making.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdint.h>
#include <stdio.h>

#include "cell_kauth.h"

int
main(void)
{
	const struct cell_kauth_bit *kb = cell_kauth_vnode;
	unsigned scope;
	uintptr_t n;

	for (scope = 0; scope <= CELL_SCOPE_GENERIC; scope++)
		for (n = 0; n < 400; n++)
			printf("%u %u %u %u\n", scope, (unsigned)n,
			    cell_kauth_action(scope, n),
			    cell_kauth_request(scope, n));
	for (; kb < cell_kauth_vnode + sizeof(cell_kauth_vnode) /
	    sizeof(cell_kauth_vnode[0]); kb++)
		printf("vnode %llu %u\n", (unsigned long long)kb->kb_mask,
		    kb->kb_action);
	return 0;
}
