/*
 * Processes and their threads.  The have.sh of the module reads this file as
 * the kernel's sys/proc.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_PROCESS_H
#define KERN_PROCESS_H

#include "auth.h"
#include "list.h"

/* p_flag (p_lock) */
#define	PK_ADVLOCK	0x00000001
#define	PK_SYSTEM	0x00000002
#define	PK_EXEC		0x00004000
#define	PK_SUGID	0x00000100
#define	PK_MARKER	0x80000000
/* p_sflag (p_lock) */
#define	PS_WEXIT	0x00002000
/* p_slflag */
#define	PSL_TRACED	0x00000800
/* p_stat */
#define	SIDL	1
#define	SACTIVE	2
#define	SDYING	3
#define	SSTOP	4
#define	SZOMB	5
#define	SDEAD	6
#define	P_ZOMBIE(p) \
	((p)->p_stat == SZOMB || (p)->p_stat == SDYING || (p)->p_stat == SDEAD)

#define	SIGKILL		9
#define	SIGTERM		15
#define	SIGSTOP		17
#define	SIGCONT		19
#define	NSIG		64

#define	W_EXITCODE(r, s)	((r) << 8 | (s))
#define	P_WAITSTATUS(p)		W_EXITCODE((p)->p_xexit, (p)->p_xsig)

#define	RLIMIT_NPROC	7
#define	RLIM_NLIMITS	12
#define	RLIM_INFINITY	(~(rlim_t)0)
struct rlimit { rlim_t rlim_cur, rlim_max; };

#define	SCHED_OTHER	0
#define	SCHED_FIFO	1
#define	SCHED_RR	2
#define	PRI_NONE	(-1)

#define	KTRFAC_PERSISTENT	0x80000000

#define	SYS_exit		1
#define	SYS_ioctl		54
#define	SYS_bind		104
#define	SYS_listen		106
#define	SYS_connect		98
#define	SYS_lfs_bmapv		184
#define	SYS_lfs_markv		185
#define	SYS_lfs_segclean	186
#define	SYS_NSYSENT		512

struct vnode;
struct session { int s_sid; };
struct cwdinfo {
	krwlock_t	cwdi_lock;
	struct vnode	*cwdi_cdir;
	struct vnode	*cwdi_rdir;
};
struct vm_map { vsize_t size; };
struct vmspace { struct vm_map vm_map; int vm_refcnt; };
struct lwp;
typedef int sy_call_t(struct lwp *, const void *, register_t *);
struct sysent { short sy_narg, sy_argsize; sy_call_t *sy_call; };
struct emul {
	const char		*e_name;
	struct sysent		*e_sysent;
	const char *const	*e_syscallnames;
};

struct proc;
struct pgrp {
	LIST_HEAD(, proc)	pg_members;
	pid_t			pg_id;
};

struct lwp {
	struct proc		*l_proc;
	kauth_cred_t		l_cred;
	lwpid_t			l_lid;
	kmutex_t		*l_mutex;
	int			l_class;
	pri_t			l_priority;
	const struct sysent	*l_sysent;
	specificdata_reference	l_specdataref;
	LIST_ENTRY(lwp)		l_sibling;
};
typedef struct lwp lwp_t;

struct proc {
	LIST_ENTRY(proc)	p_list;		/* proc_lock */
	kmutex_t		*p_lock;
	krwlock_t		p_reflock;
	kauth_cred_t		p_cred;		/* p_lock */
	pid_t			p_pid;
	volatile int		p_flag;
	volatile int		p_sflag;
	volatile int		p_slflag;
	volatile char		p_stat;
	u_int			p_nice;
	int			p_traceflag;	/* ktrace_lock */
	void			*p_tracep;
	uint64_t		p_uticks, p_sticks, p_iticks;
	struct vmspace		*p_vmspace;
	struct cwdinfo		*p_cwdi;
	struct session		*p_session;
	struct pgrp		*p_pgrp;
	LIST_ENTRY(proc)	p_pglist;
	struct proc		*p_pptr;
	struct proc		*p_opptr;
	LIST_HEAD(, proc)	p_children;
	LIST_ENTRY(proc)	p_sibling;
	LIST_HEAD(, lwp)	p_lwps;
	int			p_nlwps;
	specificdata_reference	p_specdataref;
	const struct emul	*p_emul;
	struct rlimit		p_rlimit[RLIM_NLIMITS];
	u_short			p_xexit;
	u_short			p_xsig;
	char			p_comm[17];
	volatile u_int		p_killed;	/* SIGKILL is pending */
};
typedef struct proc proc_t;

LIST_HEAD(proclist, proc);
extern struct proclist	allproc, zombproc;
extern kmutex_t		proc_lock;
extern kmutex_t		ktrace_lock;
extern struct proc	proc0;
extern struct proc	*initproc;
#define	PROCLIST_FOREACH(v, l) \
	LIST_FOREACH(v, l, p_list) if (((v)->p_flag & PK_MARKER) == 0)

extern __thread struct lwp	*curlwp;
#define	curproc			(curlwp->l_proc)

struct proc	*proc_find(pid_t);
struct proc	*proc_find_raw(pid_t);
struct proc	*proc_find_lwpid(lwpid_t);
void	psignal(struct proc *, int);
void	proc_crmod_enter(void);
void	proc_crmod_leave(kauth_cred_t, kauth_cred_t, bool);
void	lwp_lock(struct lwp *);
void	lwp_unlock(struct lwp *);

extern krwlock_t	exec_lock;
void	*exechook_establish(void (*)(struct proc *, void *), void *);
void	exechook_disestablish(void *);
#define	KSYMS_EXTERN	0
/* The symbols of the emulations that are there: kern_emul_add. */
int	ksyms_getval(const char *, const char *, unsigned long *, int);
void	kern_symbol(const char *, const void *);	/* NULL: it goes */

extern struct emul	emul_netbsd;

/* A module of the kernel's: kern_module_load.  The configuration is locked. */
struct module;
const char	*module_name(struct module *);
void		module_hold(struct module *);
void		module_rele(struct module *);
void	*module_register_callbacks(void (*)(struct module *),
    void (*)(struct module *));
void	module_unregister_callbacks(void *);
void	kern_module_load(const char *);
int	kern_module_unload(void);

#define	KTHREAD_MPSAFE		1
#define	KTHREAD_MUSTJOIN	4
int	kthread_create(pri_t, int, void *, void (*)(void *), void *, lwp_t **,
	    const char *, ...);
int	kthread_join(lwp_t *);
void	kthread_exit(int) __dead;

/* What system calls do with processes; l is the caller's thread. */
void		kern_process_init(void);
void		kern_lwp_init(struct proc *, struct lwp *);
struct lwp	*kern_fork(struct lwp *, int *);
void		kern_exec(struct lwp *);
void		kern_exec_emul(struct lwp *, const struct emul *);
void		kern_exit(struct lwp *, int, int);
bool		kern_wait(struct lwp *, struct proc *);	/* false: not yet */
int		kern_chroot(struct lwp *, struct vnode *);
void		kern_setuid(struct lwp *, uid_t);
int		kern_kill(struct lwp *, pid_t, int);
struct lwp	*kern_host_user(uid_t);	/* a new process of the host's */
u_int		kern_nprocs(void);

#endif
