/*
 * The module's inside: what a cell is in the kernel, and who may touch which
 * part of it under which lock.
 *
 * Locks, in the order in which they are taken:
 *
 *	cell_lock	(adaptive, may be held while sleeping) the list of
 *			cells; create, destroy, enter, policy
 *	proc_lock	the kernel's
 *	p_lock		the kernel's
 *	softnet_lock	the kernel's; the port-0 mark of cell_bind.c
 *	cell_port_lock	(adaptive, leaf) the table of reserved ports
 *	cell_spin	(spin, leaf) member processes, what was denied, dead
 *			cells
 *
 * A listener runs with whatever its caller holds: nothing, proc_lock, a p_lock,
 * a vnode's or socket's lock, and for some requests a spin lock (those that
 * change how a thread is scheduled, and those about terminals).  So it neither
 * sleeps nor allocates nor prints, and takes no adaptive lock; a bind alone,
 * which holds softnet_lock, takes cell_port_lock.  And it follows no pointer
 * that its caller does not keep alive for it:
 *
 * - The credential that asks is the caller's.  It points to its cell from
 *   before anybody sees it to its end, so that reading it takes no lock.
 * - A target process is looked up by its address in the table of members,
 *   under cell_spin.  Only what is found there is looked into, and only while
 *   the lock is held: a member leaves the table, which takes the lock, before
 *   its process is freed, and a credential of a member is not freed before
 *   its last holder has had the lock once (cell_cred_cb).
 * - A process that has ended is in no table.  Its credential does not change
 *   any more, and proc_lock keeps it.
 *
 * A cell that is destroyed leaves the list at once and its memory with the last
 * reference: credentials and member processes hold one each.
 *
 * A function whose comment ends with "Model:" is followed there, step by step,
 * in model/cell.pml, which is checked in every order.  Who changes a step here,
 * or the lock around it, changes it there.  The model leaves out loading, the
 * policy with its limit, p_lock, and barriers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _CELL_VAR_H_
#define _CELL_VAR_H_

#include <sys/param.h>
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/mutex.h>
#include <sys/specificdata.h>
#include <sys/kauth.h>		/* with __KAUTH_PRIVATE: what is in a credential */
#include <sys/proc.h>
#include <sys/vnode.h>

#include "cell_wire.h"
#include "cell_table.h"
#include "cell_core.h"
#include "cell_compat.h"

#define	SECMODEL_CELL_ID	"org.netbsd.secmodel.cell"
#define	SECMODEL_CELL_NAME	"NetBSD Cells"

/* What the members of a cell use together. */
struct cell_use {
	uint64_t	cu_refs;	/* processes, also ended ones */
	uint64_t	cu_memory;	/* bytes of address space */
	uint64_t	cu_ticks;	/* CPU time of all there ever were */
};

/* CPU time over a stretch of time that has ended, see cell_rate. */
struct cell_rate {
	uint64_t	cr_ns;		/* when the stretch began */
	uint64_t	cr_ticks;	/* CPU time until then */
	uint64_t	cr_rate;	/* ticks a second in the one before */
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
	TAILQ_ENTRY(cell) c_list;	/* of living cells */
	bool		c_entered;
	struct cell_policy c_policy;	/* once c_entered, but for the limit */
	struct cell_resv c_resv[CELL_PORT_MAX];	/* and cell_port_lock */
	unsigned	c_nresv;
	struct cell_rate c_second, c_ten;

	/* cell_spin. */
	LIST_ENTRY(cell) c_dead;	/* of destroyed ones */
	LIST_HEAD(, cell_proc) c_procs;
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

/* A member process, from its entry or fork to its end.  cell_spin. */
struct cell_proc {
	LIST_ENTRY(cell_proc) cp_hash;	/* of the processes of all cells */
	LIST_ENTRY(cell_proc) cp_list;	/* of the cell's */
	struct cell	*cp_cell;
	struct proc	*cp_proc;
	bool		cp_first;
	bool		cp_host;	/* began with memory of the host's */
};

TAILQ_HEAD(cell_list, cell);

/*
 * The cell of a credential, NULL on the host.  The credential keeps it.  The
 * caller keeps the credential.  Locks: any.  Every path look-up on the machine
 * asks: on the host that is one load.
 */
struct cell *cell_data(kauth_cred_t);

static inline struct cell *
cell_of(kauth_cred_t cred)
{

	return __predict_true(cred->cr_sd.specdataref_container == NULL) ?
	    NULL : cell_data(cred);
}

/* Root on the host: nothing here concerns it. */
static inline bool
cell_host_root(kauth_cred_t cred)
{

	return cred->cr_euid == 0 && cell_of(cred) == NULL;
}

/*
 * The files, the lowest first: none calls one that is further down, and
 * cell_main.c calls all.
 */

/* cell_ref.c: the cells there are, and references to them */
extern kmutex_t		cell_lock;
extern kmutex_t		cell_spin;
extern struct cell_list	cell_list;
void	cell_ref_init(void);
void	cell_ref_fini(void);
struct cell *cell_find(uint32_t);
struct cell *cell_get(uint32_t);
void	cell_free(struct cell *);
void	cell_hold(struct cell *);
void	cell_rele(struct cell *);
void	cell_bury(struct cell *);
bool	cell_full(const struct cell *);
uint64_t cell_uptime(void);

/* cell_cred.c: the cell of a credential; cell_data() is above */
int	cell_cred_init(secmodel_t);
void	cell_cred_fini(void);
void	cell_cred_set(kauth_cred_t, struct cell *);
void	cell_cred_room(kauth_cred_t);

/* cell_member.c: the table of member processes */
int	cell_member_init(void);
void	cell_member_fini(void);
void	cell_proc_begin(struct cell *, struct proc *, bool, struct proc *);
struct cell_proc *cell_proc_find(const struct proc *);
bool	cell_newcomer(const struct cell_proc *);
bool	cell_has_process(struct cell *);
void	cell_procs(struct cell *, pid_t **, size_t *, size_t *);
unsigned cell_signal(struct cell *, int);
void	cell_measure(struct cell *, struct cell_use *);
int	cell_cred_cb(kauth_cred_t, kauth_action_t, void *, void *, void *,
	    void *, void *);

/* cell_decide.c: the answer, and what is kept of a denial */
int	cell_decide_init(void);
void	cell_decide_fini(void);
int	cell_decide(kauth_cred_t, struct cell *, const struct cell_row *);

/* cell_process.c: facts about a request to a process */
uint32_t cell_process_facts(kauth_cred_t, struct cell *, kauth_action_t,
	    struct proc *, void *, void *, void *);

/* cell_pcb.c: the sockets that wait on a port, and what a socket may bind */
bool	cell_pcb_faith(const struct socket *, const struct cell_sock *);
bool	cell_port_shared(struct cell *, const struct socket *,
	    const struct cell_sock *);

/* cell_bind.c: facts about a bind, and whose port it is */
void	cell_bind_init(void);
void	cell_bind_fini(void);
int	cell_reserve(struct cell_resv *, unsigned *, const struct cell_port *,
	    unsigned, uint32_t);
int	cell_bind(kauth_cred_t, struct cell *, uintptr_t, struct socket *,
	    const struct sockaddr *);
int	cell_set_host(const struct cell_policy *);
void	cell_get_host(struct cell_policy *);
bool	cell_in_syscall(size_t, const char *);

/* cell_device.c: which devices are ordinary, or listed */
void	cell_device_init(void);
bool	cell_device_ordinary(enum vtype, dev_t);
bool	cell_device_safe(const struct vnode *);
bool	cell_device_listed(const struct cell *, enum vtype, dev_t);

/* cell_listen.c: the listeners */
int	cell_listen(void);
void	cell_unlisten(void);

/* cell_life.c: create, policy, entry, destroy */
void	cell_life_init(void);
void	cell_life_open(void);
bool	cell_life_fini(void);
int	cell_create(struct cell_create *);
int	cell_enter(struct lwp *, uint32_t);
int	cell_destroy(uint32_t);
int	cell_get_policy(uint32_t, struct cell_policy *);
int	cell_set_policy(const struct cell_policy *);

/* cell_msgbuf.c: the kernel's messages are the host's */
void	cell_msgbuf_init(void);
void	cell_msgbuf_fini(void);

/* cell_linux.c: signals of Linux programs */
void	cell_linux_init(void);
void	cell_linux_fini(void);

/* cell_lfs.c: calls of LFS's cleaner */
void	cell_lfs_init(void);
void	cell_lfs_fini(void);

/* cell_sysctl.c: the nodes */
int	cell_sysctl_init(void);
void	cell_sysctl_fini(void);

#endif /* _CELL_VAR_H_ */
