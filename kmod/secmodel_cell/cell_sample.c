/*
 * Once a second: how much CPU time each cell has used, for the two counters of
 * the published list, and the memory of cells that nobody refers to any more.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/condvar.h>
#include <sys/kernel.h>
#include <sys/kthread.h>
#include <sys/systm.h>

#include "cell_var.h"

static lwp_t		*cell_sampler;
static kcondvar_t	cell_sample_cv;
static bool		cell_sample_end;

static void
cell_sample(struct cell *c)
{
	const uint64_t ticks = c->c_use.cu_ticks;

	/* A member's time is missed for the moment of its end. */
	c->c_ticks[c->c_nsample++ % CELL_TICK_SECONDS] =
	    ticks > c->c_ticks_seen ? ticks - c->c_ticks_seen : 0;
	c->c_ticks_seen = MAX(ticks, c->c_ticks_seen);
}

static void
cell_sample_thread(void *arg)
{
	struct cell *c;

	mutex_enter(&cell_lock);
	while (!cell_sample_end) {
		if (!TAILQ_EMPTY(&cell_list))
			cell_measure();
		TAILQ_FOREACH(c, &cell_list, c_list)
			cell_sample(c);
		cell_sweep();
		(void)cv_timedwait(&cell_sample_cv, &cell_lock, hz);
	}
	mutex_exit(&cell_lock);
	kthread_exit(0);
}

int
cell_sample_start(void)
{
	int error;

	cell_sample_end = false;
	cv_init(&cell_sample_cv, "cellcpu");
	error = kthread_create(PRI_NONE, KTHREAD_MPSAFE | KTHREAD_MUSTJOIN,
	    NULL, cell_sample_thread, NULL, &cell_sampler, "cells");
	if (error != 0)
		cv_destroy(&cell_sample_cv);
	return error;
}

void
cell_sample_stop(void)
{

	mutex_enter(&cell_lock);
	cell_sample_end = true;
	cv_broadcast(&cell_sample_cv);
	mutex_exit(&cell_lock);
	(void)kthread_join(cell_sampler);
	cv_destroy(&cell_sample_cv);
}
