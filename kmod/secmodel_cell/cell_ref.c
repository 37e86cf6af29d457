/*
 * The cells there are: their list, references to them, and their memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/kmem.h>
#include <sys/systm.h>
#include <sys/time.h>

#include "cell_var.h"

kmutex_t		cell_lock;
kmutex_t		cell_spin;
struct cell_list	cell_list;

/* Destroyed, still referred to.  cell_spin. */
static LIST_HEAD(, cell) cell_dead;

void
cell_ref_init(void)
{

	mutex_init(&cell_lock, MUTEX_DEFAULT, IPL_NONE);
	/* What is asked with lwp_lock held must not be interrupted less. */
	mutex_init(&cell_spin, MUTEX_DEFAULT, IPL_SCHED);
	TAILQ_INIT(&cell_list);
	LIST_INIT(&cell_dead);
}

/* When no credential can point to a cell any more. */
void
cell_ref_fini(void)
{
	struct cell *c;

	KASSERT(TAILQ_EMPTY(&cell_list));
	while ((c = LIST_FIRST(&cell_dead)) != NULL) {
		LIST_REMOVE(c, c_dead);
		cell_free(c);
	}
	mutex_destroy(&cell_spin);
	mutex_destroy(&cell_lock);
}

void
cell_free(struct cell *c)
{

	kmem_free(c, sizeof(*c));
}

/* Model: hold. */
void
cell_hold(struct cell *c)
{

	KASSERT(c->c_refs > 0);
	atomic_inc_uint(&c->c_refs);
}

/*
 * The last reference frees the cell: the list has given up its own, so it is
 * one of the dead.  Called where memory can be freed: neither with a spin lock
 * nor from an interrupt.  Model: rele.
 */
void
cell_rele(struct cell *c)
{

	KASSERT(c->c_refs > 0);
	CELL_MEMBAR_RELEASE();
	if (atomic_dec_uint_nv(&c->c_refs) > 0)
		return;
	CELL_MEMBAR_ACQUIRE();
	mutex_spin_enter(&cell_spin);
	KASSERT(LIST_EMPTY(&c->c_procs));
	LIST_REMOVE(c, c_dead);
	mutex_spin_exit(&cell_spin);
	cell_free(c);
}

/* From the living to the dead; drops the list's reference.  Model: destroy. */
void
cell_bury(struct cell *c)
{

	KASSERT(mutex_owned(&cell_lock));
	TAILQ_REMOVE(&cell_list, c, c_list);
	c->c_dying = 1;		/* whoever still points to it is denied */
	mutex_spin_enter(&cell_spin);
	LIST_INSERT_HEAD(&cell_dead, c, c_dead);
	mutex_spin_exit(&cell_spin);
	cell_rele(c);
}

/* A living cell by its id, under cell_lock. */
struct cell *
cell_find(uint32_t id)
{
	struct cell *c;

	KASSERT(mutex_owned(&cell_lock));
	TAILQ_FOREACH(c, &cell_list, c_list)
		if (c->c_id == id)
			return c;
	return NULL;
}

/* The same with a reference, for after the lock is dropped.  Model: kill. */
struct cell *
cell_get(uint32_t id)
{
	struct cell *c;

	mutex_enter(&cell_lock);
	if ((c = cell_find(id)) != NULL)
		cell_hold(c);
	mutex_exit(&cell_lock);
	return c;
}

uint64_t
cell_uptime(void)
{
	struct timespec ts;

	getnanouptime(&ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Whether one more process is one too many. */
bool
cell_full(const struct cell *c)
{
	u_int max = c->c_maxprocs;

	return max != 0 && c->c_nprocs >= max;
}
