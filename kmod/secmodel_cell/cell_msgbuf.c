/*
 * kern.msgbuf: the kernel's messages, other cells' denials among them, are the
 * host's.  The kernel asks nobody about them, so while the module is loaded
 * the node has a handler that does.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/sysctl.h>
#include <sys/systm.h>

#include "cell_var.h"

static sysctlfn	cell_msgbuf_handler;	/* the kernel's */

static int
cell_msgbuf(SYSCTLFN_ARGS)
{

	if (cell_of(l->l_cred) != NULL)
		return EPERM;
	return (*cell_msgbuf_handler)(SYSCTLFN_CALL(__UNCONST(rnode)));
}

/* Under the tree's lock; NULL if this kernel has no such node. */
static struct sysctlnode *
cell_msgbuf_node(void)
{
	const int name[] = { CTL_KERN, KERN_MSGBUF };
	const struct sysctlnode *node = NULL;

	if (sysctl_locate(NULL, name, __arraycount(name), &node, NULL) != 0)
		return NULL;
	return __UNCONST(node);
}

void
cell_msgbuf_init(void)
{
	struct sysctlnode *node;

	sysctl_lock(true);
	if ((node = cell_msgbuf_node()) != NULL) {
		cell_msgbuf_handler = node->sysctl_func;
		node->sysctl_func = cell_msgbuf;
	}
	sysctl_unlock();
}

void
cell_msgbuf_fini(void)
{
	struct sysctlnode *node;

	sysctl_lock(true);
	if ((node = cell_msgbuf_node()) != NULL)
		node->sysctl_func = cell_msgbuf_handler;
	sysctl_unlock();
}
