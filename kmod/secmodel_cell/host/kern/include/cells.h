/*
 * The module's nodes as functions, and whole processes as one step: what the
 * cases are written with.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_CELLS_H
#define KERN_CELLS_H

#include "harness.h"
#include "cell_wire.h"

/* CELL_PROFILE_* of cell_table.h, whose tables are the module's own. */
enum { PROFILE_LOW, PROFILE_MEDIUM, PROFILE_HIGH };

extern struct lwp *root;		/* a process of the host's root */

/* Runs on as that thread; gives the one before. */
struct lwp *as(struct lwp *);

/* Each is asked by the current thread, and gives the error. */
int	cells_create(const char *, u_int, u_int, uint32_t *);
int	cells_destroy(uint32_t);
int	cells_policy(struct cell_policy *);
int	cells_policy_of(uint32_t, struct cell_policy *);
int	cells_kill(uint32_t, int, uint32_t *);
int	cells_stats(uint32_t, struct cell_stats *);
int	cells_status(uint32_t, struct cell_status *);
int	cells_list(struct cell_info *, size_t *);
int	cells_enter(uint32_t);

/* A cell that is made by root and named by its root directory. */
uint32_t cells_new(u_int, u_int);

/* A process of the host's in that root that enters the cell; not yet run. */
struct lwp *cells_newcomer(uint32_t, u_int);
/* The same, that has executed a program. */
struct lwp *cells_member(uint32_t, u_int);

/* A child that has executed a program, or NULL. */
struct lwp *spawn(struct lwp *);
/* The process ends, and its parent or init reaps it. */
void	end(struct lwp *, int);
/* It ends and stays a zombie. */
struct proc *leave_zombie(struct lwp *, int);
void	reap(struct proc *);

int	load(void);
int	unload(void);

#endif
