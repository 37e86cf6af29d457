/*
 * The cells there are: their list, references to them, and their memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/fcntl.h>
#include <sys/kmem.h>
#include <sys/namei.h>
#include <sys/sysctl.h>
#include <sys/syslog.h>
#include <sys/systm.h>
#include <sys/time.h>
#include <sys/vnode.h>

#include "cell_var.h"

kmutex_t		cell_lock;
struct cell_list	cell_list;
volatile u_int		cell_ndying;
struct cell_list	cell_dead;	/* destroyed, still referred to */

void
cell_free(struct cell *c)
{

	mutex_destroy(&c->c_lock);
	kmem_free(c, sizeof(*c));
}

void
cell_hold(struct cell *c)
{

	KASSERT(c->c_refs > 0);
	atomic_inc_uint(&c->c_refs);
}

/*
 * May be called from where memory can't be freed: the sampler frees what
 * nobody refers to.
 */
void
cell_rele(struct cell *c)
{

	KASSERT(c->c_refs > 0);
	CELL_MEMBAR_RELEASE();
	atomic_dec_uint(&c->c_refs);
}

/* Frees the cells that are destroyed and that nobody refers to. */
void
cell_sweep(void)
{
	struct cell *c, *next;

	KASSERT(mutex_owned(&cell_lock));
	TAILQ_FOREACH_SAFE(c, &cell_dead, c_list, next) {
		if (c->c_refs != 0)
			continue;
		CELL_MEMBAR_ACQUIRE();
		TAILQ_REMOVE(&cell_dead, c, c_list);
		cell_free(c);
	}
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

/* The same with a reference, for after the lock is dropped. */
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

/* Whether one more process is one too many. */
bool
cell_full(struct cell *c)
{
	u_int max = c->c_maxprocs;

	return max != 0 && c->c_nprocs >= max;
}
