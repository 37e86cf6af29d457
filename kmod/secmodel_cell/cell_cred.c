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
#include <sys/kmem.h>
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

/*
 * The cell of a credential, NULL on the host.  The credential keeps it.  The
 * caller keeps the credential.  Locks: any.
 */
struct cell *
cell_of(kauth_cred_t cred)
{

	if (cred->cr_sd.specdataref_container == NULL)
		return NULL;	/* nearly everybody on the host */
	return specificdata_getspecific_unlocked(NULL, &cred->cr_sd,
	    cell_cred_slot);
}

/* Root on the host: nothing here concerns it. */
bool
cell_host_root(kauth_cred_t cred)
{

	return kauth_cred_geteuid(cred) == 0 && cell_of(cred) == NULL;
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

/*
 * Follows credentials.  It always answers ALLOW: a kernel with DIAGNOSTIC
 * panics at anything else in this scope.
 */
int
cell_cred_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;
	struct proc *child;

	switch (action) {
	case KAUTH_CRED_INIT:
		/*
		 * Locks: none.  The copy that follows may come with the p_lock
		 * held, under which memory should not be waited for: a member
		 * makes room for the pointer now.
		 */
		if (cell_of(curlwp->l_cred) != NULL)
			kauth_cred_setdata(cred, cell_cred_key, NULL);
		break;
	case KAUTH_CRED_COPY:
		/* Locks: none, or the p_lock of the current process. */
		if ((c = cell_of(cred)) != NULL) {
			KASSERT(cell_of(arg0) == NULL);
			cell_cred_set(arg0, c);
		}
		break;
	case KAUTH_CRED_FORK:
		/*
		 * Locks: none.  The child's own credential: the parent's may
		 * have changed since the kernel gave it to the child.
		 */
		child = arg1;
		if ((c = cell_of(child->p_cred)) != NULL) {
			atomic_inc_uint(&c->c_nprocs);
			cell_proc_begin(c, child, false, arg0);
		}
		break;
	case KAUTH_CRED_FREE:
		/*
		 * Locks: none that spins.  No process has the credential any
		 * more; whoever found it in one earlier holds cell_spin.
		 */
		if ((c = cell_of(cred)) != NULL) {
			mutex_spin_enter(&cell_spin);
			mutex_spin_exit(&cell_spin);
			cell_rele(c);
		}
		break;
	default:
		break;
	}
	return KAUTH_RESULT_ALLOW;
}
