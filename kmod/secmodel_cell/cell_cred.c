/*
 * The cell of a credential: a pointer in the credential's private data, which
 * is set before anybody sees the credential and stays to its end.
 *
 * kauth_cred_getdata(9) takes the lock of the data, an adaptive one, which must
 * not be done where a spin lock is held, and which all processes of root would
 * contend for.  So the pointer is read as specificdata(9) reads a thread's
 * data: without the lock.  That is safe as long as the data is not moved, which
 * happens when a security model stores data under a key that is newer than the
 * credential's.  Spare keys, made and deleted when the module is loaded, leave
 * room for those of CELL_SPARE_KEYS models that come later.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/proc.h>
#include <sys/systm.h>

#include "cell_var.h"

#define	CELL_SPARE_KEYS	8

/* More keys than any kernel has. */
#define	CELL_SLOT_MAX	1024

static kauth_key_t		cell_cred_key;
static specificdata_key_t	cell_cred_slot;

/*
 * Finds where the data of our key stands: kauth_key_t keeps it to itself.  A
 * credential of our own holds a pointer that nobody else has.
 */
static int
cell_find_slot(void)
{
	static char ours;
	kauth_cred_t cred;
	specificdata_key_t slot;

	cred = kauth_cred_alloc();
	kauth_cred_setdata(cred, cell_cred_key, &ours);
	for (slot = 0; slot < CELL_SLOT_MAX; slot++)
		if (specificdata_getspecific_unlocked(NULL, &cred->cr_sd,
		    slot) == &ours)
			break;
	kauth_cred_setdata(cred, cell_cred_key, NULL);
	kauth_cred_free(cred);
	if (slot == CELL_SLOT_MAX)
		return ENOTSUP;
	cell_cred_slot = slot;
	return 0;
}

int
cell_cred_init(secmodel_t sm)
{
	kauth_key_t spare[CELL_SPARE_KEYS];
	unsigned i, n;
	int error;

	error = kauth_register_key(sm, &cell_cred_key);
	if (error != 0)
		return error;
	for (n = 0; n < CELL_SPARE_KEYS && error == 0; n++)
		error = kauth_register_key(sm, &spare[n]);
	for (i = 0; i + (error != 0) < n; i++)
		kauth_deregister_key(spare[i]);
	if (error == 0)
		error = cell_find_slot();
	if (error != 0)
		kauth_deregister_key(cell_cred_key);
	return error;
}

void
cell_cred_fini(void)
{

	kauth_deregister_key(cell_cred_key);
}

/* For cell_of: what a credential that has any data has under our key. */
struct cell *
cell_data(kauth_cred_t cred)
{

	return specificdata_getspecific_unlocked(NULL, &cred->cr_sd,
	    cell_cred_slot);
}

/*
 * Points a credential that nobody has yet to a cell.  Locks: a p_lock of the
 * caller's own process, if there is room for the pointer already; else none.
 */
void
cell_cred_set(kauth_cred_t cred, struct cell *c)
{

	KASSERT(kauth_cred_getrefcnt(cred) == 1);
	cell_hold(c);
	kauth_cred_setdata(cred, cell_cred_key, c);
	/* Whoever finds the credential finds the pointer. */
	CELL_MEMBAR_RELEASE();
}

/* Makes room in a credential for the pointer.  Locks: none. */
void
cell_cred_room(kauth_cred_t cred)
{

	kauth_cred_setdata(cred, cell_cred_key, NULL);
}
