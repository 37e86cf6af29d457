/*
 * The module's inside: what a cell is in the kernel, and who may touch which
 * part of it under which lock.
 *
 * Locks, in the order in which they are taken:
 *
 *	cell_lock	(adaptive, may be held while sleeping) the list of
 *			cells; create, destroy, enter, policy
 *	proc_lock	the kernel's
 *	p_lock		the kernel's; holding it is what makes p_cred of
 *			another process safe to look at
 *	cell_port_lock	(adaptive, leaf) the table of reserved ports
 *	c_lock		(adaptive, leaf) the exit status and the denials
 *
 * A listener runs with whatever its caller holds, often proc_lock or a p_lock:
 * it never takes cell_lock, and it never sleeps for memory.
 *
 * A credential of a member points to its cell and holds a reference, so that a
 * check follows one pointer and tests one bit.  So does the record of each
 * member process.  A cell that is destroyed leaves the list at once and its
 * memory when the last reference is gone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _CELL_VAR_H_
#define _CELL_VAR_H_

#include <sys/param.h>
#include <sys/types.h>
#include <sys/kauth.h>
#include <sys/mutex.h>
#include <sys/proc.h>
#include <sys/queue.h>
#include <sys/specificdata.h>
#include <sys/vnode.h>

#include "cell_wire.h"
#include "cell_table.h"
#include "cell_core.h"
#include "cell_compat.h"

#define	SECMODEL_CELL_ID	"org.netbsd.secmodel.cell"
#define	SECMODEL_CELL_NAME	"NetBSD Cells"

#define	CELL_TICK_SECONDS	10

/* What the members of a cell use together. */
struct cell_use {
	uint64_t	cu_refs;	/* processes, also ended ones */
	uint64_t	cu_memory;	/* bytes of address space */
	uint64_t	cu_ticks;	/* CPU time of all there ever were */
};

struct cell {
	/* Read by every check, without a lock; final once c_entered. */
	uint64_t	c_permissions;
	volatile u_int	c_dying;	/* only ever set */
	volatile u_int	c_refs;		/* list, credentials, processes */

	/* Atomic. */
	volatile u_int	c_nprocs;	/* members that have not ended */
	volatile u_int	c_maxprocs;	/* c_policy's limit; 0: none */

	/* Final at create. */
	uint32_t	c_id;
	struct vnode	*c_root;	/* dropped at destroy */
	uint64_t	c_created;	/* ns since boot */
	struct cell_create c_create;

	/* cell_lock. */
	TAILQ_ENTRY(cell) c_list;	/* of living cells, or of dead ones */
	bool		c_entered;
	struct cell_policy c_policy;	/* once c_entered, but for the limit */
	struct cell_resv c_resv[CELL_PORT_MAX];
	unsigned	c_nresv;
	struct cell_use	c_use;		/* see cell_measure */
	uint64_t	c_ticks_seen;	/* the sampler's */
	uint64_t	c_ticks[CELL_TICK_SECONDS];	/* by the second */
	unsigned	c_nsample;	/* samples taken: the ring's next place */

	/* c_lock. */
	kmutex_t	c_lock;
	uint32_t	c_state;	/* CELL_STATE_* of the first process */
	pid_t		c_first;
	uint32_t	c_status;
	uint64_t	c_ticks_ended;	/* CPU time of members that ended */
	uint64_t	c_denials[CELL_SCOPE_MAX];
	uint64_t	c_last_ns;
	uint32_t	c_last_class;
	pid_t		c_last_pid;
	uid_t		c_last_uid;
	time_t		c_log_time;	/* s since boot; when it last logged */
	uint64_t	c_log_missed;
};

/* A member process, from its entry or fork to its end. */
struct cell_proc {
	struct cell	*cp_cell;
	struct proc	*cp_proc;
	bool		cp_first;
	bool		cp_host;	/* began with memory of the host's */
};

TAILQ_HEAD(cell_list, cell);

extern kmutex_t		cell_lock;
extern struct cell_list	cell_list;
extern struct cell_list	cell_dead;	/* destroyed, still referred to */
extern volatile u_int	cell_ndying;	/* killed cells that still exist */
extern kmutex_t		cell_port_lock;
extern struct cell_ports *cell_ports;

/*
 * The files, the lowest first: none calls one that is further down, and
 * cell_main.c calls all.
 */

/* cell_ref.c: which cells there are, references, memory */
struct cell *cell_find(uint32_t);
struct cell *cell_get(uint32_t);
void	cell_free(struct cell *);
void	cell_hold(struct cell *);
void	cell_rele(struct cell *);
void	cell_sweep(void);
bool	cell_full(struct cell *);

/* cell_cred.c: credentials, and the records of member processes */
int	cell_member_init(secmodel_t);
void	cell_member_fini(void);
struct cell *cell_of(kauth_cred_t);
void	cell_cred_set(kauth_cred_t, struct cell *);
void	cell_proc_begin(struct cell *, struct proc *, bool, bool);
struct cell *cell_of_proc(struct proc *);
bool	cell_newcomer(struct proc *);
int	cell_cred_cb(kauth_cred_t, kauth_action_t, void *, void *, void *,
	    void *, void *);

/* cell_decide.c: the answer, counted and logged */
uint64_t cell_uptime(void);
bool	cell_host_root(kauth_cred_t);
int	cell_decide(kauth_cred_t, struct cell *, unsigned, unsigned, uint32_t);

/* cell_process.c: facts about a request to a process */
uint32_t cell_process_facts(kauth_cred_t, struct cell *, kauth_action_t,
	    uint32_t, struct proc *, void *, void *, void *);

/* cell_bind.c: facts about a bind, and whose port it is */
int	cell_bind_init(void);
void	cell_bind_fini(void);
int	cell_bind(kauth_cred_t, struct cell *, unsigned, struct socket *,
	    const struct sockaddr *);

/* cell_device.c: which devices are ordinary */
void	cell_device_init(void);
bool	cell_device_ordinary(enum vtype, dev_t);
bool	cell_device_safe(const struct vnode *);

/* cell_member.c: entry, and what is done to all members */
int	cell_enter(struct lwp *, uint32_t);
bool	cell_has_process(struct cell *);
void	cell_procs(struct cell *, pid_t **, size_t *, size_t *);
unsigned cell_signal(struct cell *, int);
void	cell_measure(void);

/* cell_sample.c: CPU time by the second, and the memory of dead cells */
int	cell_sample_start(void);
void	cell_sample_stop(void);

/* cell_listen.c: the listeners */
int	cell_listen(void);
void	cell_unlisten(void);
int	cell_listen_vnode(uint64_t);

/* cell_life.c: from create to destroy */
void	cell_life_init(void);
bool	cell_life_fini(void);
void	cell_life_free(void);
int	cell_create(struct cell_create *);
int	cell_destroy(uint32_t);
int	cell_set_policy(const struct cell_policy *);

/* cell_sysctl.c: the nodes */
int	cell_sysctl_init(void);
void	cell_sysctl_fini(void);

#endif /* _CELL_VAR_H_ */
