/*
 * secmodel_cell: the module's beginning and end.
 *
 * Either everything runs or nothing does: a step that fails undoes those
 * before it and the module is not loaded.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/module.h>
#include <sys/systm.h>

#include <prop/proplib.h>
#include <secmodel/secmodel.h>

#include "cell_var.h"

MODULE(MODULE_CLASS_SECMODEL, secmodel_cell, NULL);

static secmodel_t	cell_sm;

/*
 * Whether the module may be unloaded: only if it was loaded with the property
 * unload set, as a kernel under test does (modload -b unload=true).  kauth(9)
 * frees the listeners of a module that leaves under those who walk them.
 */
static bool		cell_unloadable;

static int
cell_start(prop_dictionary_t props)
{
	int error;

	cell_unloadable = false;
	if (props != NULL)
		(void)prop_dictionary_get_bool(props, "unload",
		    &cell_unloadable);
	error = secmodel_register(&cell_sm, SECMODEL_CELL_ID,
	    SECMODEL_CELL_NAME, NULL, NULL, NULL);
	if (error != 0)
		return error;
	cell_ref_init();
	cell_life_init();
	cell_device_init();
	cell_bind_init();
	if ((error = cell_decide_init()) != 0)
		goto bind;
	if ((error = cell_member_init()) != 0)
		goto decide;
	if ((error = cell_cred_init(cell_sm)) != 0)
		goto member;
	if ((error = cell_listen()) != 0)
		goto cred;
	if ((error = cell_sysctl_init()) != 0)
		goto listen;
	cell_msgbuf_init();
	cell_linux_init();
	cell_lfs_init();
	cell_life_open();
	printf("secmodel_cell: interface %d, built for NetBSD %d.%d.%d\n",
	    CELL_ABI_VERSION, __NetBSD_Version__ / 100000000,
	    __NetBSD_Version__ / 1000000 % 100,
	    __NetBSD_Version__ / 100 % 10000);
	return 0;

listen:	cell_unlisten();
cred:	cell_cred_fini();
member:	cell_member_fini();
decide:	cell_decide_fini();
bind:	cell_bind_fini();
	cell_ref_fini();
	(void)secmodel_deregister(cell_sm);
	printf("secmodel_cell: not loaded: error %d\n", error);
	return error;
}

/*
 * The nodes go first, so that nothing new begins.  The credentials' key goes
 * before the cells' memory: from then on no credential points to one.
 * Model: Unloader.
 */
static int
cell_stop(void)
{

	if (!cell_unloadable || !cell_life_fini())
		return EBUSY;
	cell_msgbuf_fini();
	cell_lfs_fini();
	cell_linux_fini();
	cell_sysctl_fini();
	cell_unlisten();
	cell_cred_fini();
	cell_member_fini();
	cell_decide_fini();
	cell_bind_fini();
	cell_ref_fini();
	return secmodel_deregister(cell_sm);
}

static int
secmodel_cell_modcmd(modcmd_t cmd, void *arg)
{

	switch (cmd) {
	case MODULE_CMD_INIT:
		return cell_start(arg);
	case MODULE_CMD_FINI:
		return cell_stop();
	case MODULE_CMD_AUTOUNLOAD:
		/* Security that goes away when nobody looks is none. */
		return EBUSY;
	default:
		return ENOTTY;
	}
}
