/*
 * Calls of LFS's cleaner: lfs_bmapv(2), lfs_markv(2) and lfs_segclean(2) take the
 * data of whatever file system the caller names for LFS's before they ask
 * anybody, and the kernel panics.  Members are told that there are none.
 *
 * LFS can be a module that comes and goes, and is surprised by a call in the
 * table that is not its own: from its load on it is kept from going.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/lwp.h>
#include <sys/module.h>
#include <sys/proc.h>
#include <sys/syscall.h>
#include <sys/systm.h>

#include "cell_var.h"

static const unsigned	cell_lfs_calls[] = {
	SYS_lfs_bmapv, SYS_lfs_markv, SYS_lfs_segclean
};

/* The kernel's: written before ours is in the table. */
static sy_call_t	*cell_lfs_kernels[__arraycount(cell_lfs_calls)];
static void		*cell_lfs_callbacks;

/* In place of each.  Locks: none. */
static int
cell_lfs_call(struct lwp *l, const void *args, register_t *retval)
{
	size_t i;

	if (cell_of(l->l_cred) != NULL)
		return ENOSYS;
	CELL_MEMBAR_ACQUIRE();	/* what was stored before the call was ours */
	for (i = 0; i < __arraycount(cell_lfs_calls); i++)
		if (l->l_sysent == &emul_netbsd.e_sysent[cell_lfs_calls[i]])
			return (*cell_lfs_kernels[i])(l, args, retval);
	return ENOSYS;
}

/* A module has come, or is there already.  Locks: the configuration's. */
static void
cell_lfs_load(struct module *mod)
{
	struct sysent *sy;
	size_t i;

	if (strcmp(module_name(mod), "lfs") != 0)
		return;
	module_hold(mod);
	for (i = 0; i < __arraycount(cell_lfs_calls); i++) {
		sy = &emul_netbsd.e_sysent[cell_lfs_calls[i]];
		cell_lfs_kernels[i] = sy->sy_call;
		CELL_WRITE(sy->sy_call, cell_lfs_call);
	}
}

/* For LFS, only when this module goes.  Locks: the configuration's. */
static void
cell_lfs_unload(struct module *mod)
{
	size_t i;

	if (strcmp(module_name(mod), "lfs") != 0)
		return;
	for (i = 0; i < __arraycount(cell_lfs_calls); i++)
		CELL_WRITE(emul_netbsd.e_sysent[cell_lfs_calls[i]].sy_call,
		    cell_lfs_kernels[i]);
	module_rele(mod);
}

void
cell_lfs_init(void)
{

	cell_lfs_callbacks = module_register_callbacks(cell_lfs_load,
	    cell_lfs_unload);
}

/*
 * For kernels under test: who is in one of our calls is given the time that
 * cell_unlisten takes.
 */
void
cell_lfs_fini(void)
{

	module_unregister_callbacks(cell_lfs_callbacks);
}
