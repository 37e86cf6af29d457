/*
 * Processes: fork, execute, end, reap, change of credentials and of the root,
 * signals.  The steps, and the locks at each, are those of
 * kern_fork.c, kern_exec.c, kern_exit.c, kern_prot.c and kern_sig.c as far as
 * a listener can notice them.
 *
 * A host thread is one kernel thread at a time: it sets curlwp to the one that
 * it plays.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "harness.h"
#include "host.h"

__thread struct lwp	*curlwp;
struct proclist		allproc, zombproc;
kmutex_t		proc_lock, ktrace_lock;
struct proc		proc0;
struct proc		*initproc;

static struct lwp	lwp0;
static struct session	session;
static struct vmspace	vmspace = { .vm_map = { .size = 4096 } };
static pid_t		last_pid;
static u_int		nprocs;
static struct sysent	sysents[SYS_NSYSENT];
struct emul		emul_netbsd = { "netbsd", sysents, NULL };

krwlock_t		exec_lock;
static void		(*exec_hook)(struct proc *, void *);	/* exec_lock */
static const char	*symbol;
static const void	*symbol_value;

void			(*harness_half_made)(void);

u_int
kern_nprocs(void)
{
	return atomic_load_relaxed(&nprocs);
}

static void
proc_init(struct proc *p, pid_t pid)
{
	p->p_pid = pid;
	p->p_stat = SIDL;
	p->p_lock = mutex_obj_alloc(MUTEX_DEFAULT, IPL_NONE);
	harness_nosleep(p->p_lock, "p_lock");
	rw_init(&p->p_reflock);
	kern_specific_init(&p->p_specdataref);
	LIST_INIT(&p->p_children);
	LIST_INIT(&p->p_lwps);
	p->p_session = &session;
	p->p_emul = &emul_netbsd;
	p->p_nice = 20;
}

void
kern_lwp_init(struct proc *p, struct lwp *l)
{
	l->l_proc = p;
	l->l_lid = p->p_pid;
	l->l_mutex = mutex_obj_alloc(MUTEX_DEFAULT, IPL_SCHED);
	l->l_mutex->mu_name = "lwp_lock";
	l->l_sysent = &sysents[SYS_exit];
	kern_specific_init(&l->l_specdataref);
	mutex_enter(p->p_lock);
	l->l_cred = kauth_cred_hold(p->p_cred);
	LIST_INSERT_HEAD(&p->p_lwps, l, l_sibling);
	p->p_nlwps++;
	mutex_exit(p->p_lock);
}

static struct cwdinfo *
cwd_new(struct vnode *root)
{
	struct cwdinfo *cwdi = host_alloc(sizeof(*cwdi));

	memset(cwdi, 0, sizeof(*cwdi));
	rw_init(&cwdi->cwdi_lock);
	cwdi->cwdi_rdir = root;
	if (root != NULL)
		vref(root);
	return cwdi;
}

static void
cwd_free(struct cwdinfo *cwdi)
{
	if (cwdi->cwdi_rdir != NULL)
		vrele(cwdi->cwdi_rdir);
	rw_destroy(&cwdi->cwdi_lock);
	host_free(cwdi);
}

void
kern_process_init(void)
{
	struct proc *p = &proc0;
	int error;

	mutex_init(&proc_lock, MUTEX_DEFAULT, IPL_NONE);
	harness_nosleep(&proc_lock, "proc_lock");
	mutex_init(&ktrace_lock, MUTEX_DEFAULT, IPL_NONE);
	rw_init(&exec_lock);
	LIST_INIT(&allproc);
	LIST_INIT(&zombproc);
	curlwp = &lwp0;
	proc_init(p, 0);
	p->p_flag = PK_SYSTEM;
	p->p_stat = SACTIVE;
	p->p_vmspace = &vmspace;
	p->p_cwdi = cwd_new(NULL);
	p->p_cred = kauth_cred_alloc();
	p->p_pptr = p;
	kern_lwp_init(p, &lwp0);
	LIST_INSERT_HEAD(&allproc, p, p_list);
	initproc = kern_fork(&lwp0, &error)->l_proc;
	initproc->p_flag |= PK_EXEC;
}

struct proc *
proc_find_raw(pid_t pid)
{
	struct proc *p;

	KASSERT(mutex_owned(&proc_lock));
	LIST_FOREACH(p, &allproc, p_list)
		if (p->p_pid == pid)
			return p;
	LIST_FOREACH(p, &zombproc, p_list)
		if (p->p_pid == pid)
			return p;
	return NULL;
}

struct proc *
proc_find(pid_t pid)
{
	struct proc *p = proc_find_raw(pid);

	return p != NULL && (p->p_stat == SACTIVE || p->p_stat == SSTOP) ?
	    p : NULL;
}

/* A process has one thread here, of the same number. */
struct proc *
proc_find_lwpid(lwpid_t lid)
{
	return proc_find(lid);
}

void
lwp_lock(struct lwp *l)
{
	mutex_spin_enter(l->l_mutex);
}

void
lwp_unlock(struct lwp *l)
{
	mutex_spin_exit(l->l_mutex);
}

/*
 * The new process's thread, or NULL and the error.  As in fork1, a listener
 * hears of a process that is half made: it has no address space, and p_sflag is
 * that of the one that had its memory before, if there was one.
 */
struct lwp *
kern_fork(struct lwp *l1, int *errorp)
{
	struct proc *p1 = l1->l_proc, *p2;
	struct lwp *l2;
	u_int count = atomic_inc_uint_nv(&nprocs);

	KASSERT(curlwp == l1 && harness_held() == 0);
	if (kern_ask(KAUTH_SCOPE_PROCESS, l1->l_cred, KAUTH_PROCESS_FORK, p1,
	    KAUTH_ARG(count), NULL, NULL) == KAUTH_RESULT_DENY) {
		atomic_dec_uint(&nprocs);
		*errorp = EAGAIN;
		return NULL;
	}
	p2 = host_alloc(sizeof(*p2));
	memset(p2, 0, sizeof(*p2));
	proc_init(p2, __atomic_add_fetch(&last_pid, 1, __ATOMIC_RELAXED));
	p2->p_flag = p1->p_flag & PK_SUGID;
	p2->p_sflag = p2->p_pid % 2 == 0 ? PS_WEXIT : 0;
	kauth_proc_fork(p1, p2);
	if (harness_half_made != NULL)
		(*harness_half_made)();
	p2->p_sflag = 0;
	p2->p_vmspace = &vmspace;
	rw_enter(&p1->p_cwdi->cwdi_lock, RW_READER);
	p2->p_cwdi = cwd_new(p1->p_cwdi->cwdi_rdir);
	rw_exit(&p1->p_cwdi->cwdi_lock);
	l2 = host_alloc(sizeof(*l2));
	memset(l2, 0, sizeof(*l2));
	kern_lwp_init(p2, l2);

	mutex_enter(&proc_lock);
	p2->p_pptr = p1;
	LIST_INSERT_HEAD(&p1->p_children, p2, p_sibling);
	LIST_INSERT_HEAD(&allproc, p2, p_list);
	mutex_enter(p2->p_lock);
	p2->p_stat = SACTIVE;
	mutex_exit(p2->p_lock);
	mutex_exit(&proc_lock);
	*errorp = 0;
	return l2;
}

void *
exechook_establish(void (*hook)(struct proc *, void *), void *arg)
{
	rw_enter(&exec_lock, RW_WRITER);
	KASSERT(exec_hook == NULL && arg == NULL);
	exec_hook = hook;
	rw_exit(&exec_lock);
	return &exec_hook;
}

void
exechook_disestablish(void *hook)
{
	KASSERT(hook == &exec_hook);
	rw_enter(&exec_lock, RW_WRITER);
	exec_hook = NULL;
	rw_exit(&exec_lock);
}

void
kern_symbol(const char *name, const void *value)
{
	rw_enter(&exec_lock, RW_WRITER);
	symbol = name;
	symbol_value = value;
	rw_exit(&exec_lock);
}

int
ksyms_getval(const char *mod, const char *name, unsigned long *value, int type)
{
	KASSERT(mod == NULL && type == KSYMS_EXTERN);
	if (symbol_value == NULL || strcmp(name, symbol) != 0)
		return ENOENT;
	*value = (unsigned long)symbol_value;
	return 0;
}

/* The hooks come before the program is one of its emulation. */
void
kern_exec_emul(struct lwp *l, const struct emul *e)
{
	struct proc *p = l->l_proc;

	KASSERT(curlwp == l && harness_held() == 0);
	rw_enter(&p->p_reflock, RW_WRITER);
	rw_enter(&exec_lock, RW_READER);
	if (exec_hook != NULL)
		(*exec_hook)(p, NULL);
	mutex_enter(p->p_lock);
	p->p_flag |= PK_EXEC;
	mutex_exit(p->p_lock);
	p->p_emul = e;
	rw_exit(&exec_lock);
	rw_exit(&p->p_reflock);
}

void
kern_exec(struct lwp *l)
{
	kern_exec_emul(l, &emul_netbsd);
}

static void
reparent(struct proc *child, struct proc *parent)
{
	LIST_REMOVE(child, p_sibling);
	LIST_INSERT_HEAD(&parent->p_children, child, p_sibling);
	child->p_pptr = parent;
}

/* After this the caller's thread is nobody: only kern_wait knows it. */
void
kern_exit(struct lwp *l, int status, int signum)
{
	struct proc *p = l->l_proc, *child;

	KASSERT(curlwp == l && harness_held() == 0);
	mutex_enter(p->p_lock);
	p->p_sflag |= PS_WEXIT;
	p->p_stat = SDYING;
	mutex_exit(p->p_lock);
	rw_enter(&p->p_reflock, RW_WRITER);
	cwd_free(p->p_cwdi);
	p->p_cwdi = NULL;
	p->p_xexit = (u_short)status;
	p->p_xsig = (u_short)signum;
	mutex_enter(&proc_lock);
	kern_lwp_finispecific(l);
	kern_proc_finispecific(p);
	while ((child = LIST_FIRST(&p->p_children)) != NULL)
		reparent(child, initproc);
	LIST_REMOVE(p, p_list);
	LIST_INSERT_HEAD(&zombproc, p, p_list);
	p->p_stat = SDEAD;
	mutex_enter(p->p_lock);
	p->p_stat = SZOMB;
	mutex_exit(p->p_lock);
	rw_exit(&p->p_reflock);
	mutex_exit(&proc_lock);
	curlwp = NULL;
}

/* Reaps a process that has ended; l is whoever waits for it. */
bool
kern_wait(struct lwp *l, struct proc *p)
{
	struct lwp *dead;

	KASSERT(curlwp == l && harness_held() == 0);
	mutex_enter(&proc_lock);
	if (p->p_stat != SZOMB) {
		mutex_exit(&proc_lock);
		return false;
	}
	LIST_REMOVE(p, p_list);
	LIST_REMOVE(p, p_sibling);
	mutex_exit(&proc_lock);
	dead = LIST_FIRST(&p->p_lwps);
	KASSERT(p->p_nlwps == 1);
	(void)mutex_obj_free(dead->l_mutex);
	kauth_cred_free(p->p_cred);
	kauth_cred_free(dead->l_cred);
	(void)mutex_obj_free(p->p_lock);
	rw_destroy(&p->p_reflock);
	host_free(dead);
	host_free(p);
	atomic_dec_uint(&nprocs);
	return true;
}

void
proc_crmod_enter(void)
{
	struct lwp *l = curlwp;
	struct proc *p = l->l_proc;
	kauth_cred_t old = l->l_cred;

	mutex_enter(p->p_lock);
	if (old != p->p_cred) {
		l->l_cred = kauth_cred_hold(p->p_cred);
		kauth_cred_free(old);	/* with the lock, as there */
	}
}

void
proc_crmod_leave(kauth_cred_t set, kauth_cred_t drop, bool sugid)
{
	struct lwp *l = curlwp;
	struct proc *p = l->l_proc;
	kauth_cred_t old = l->l_cred;

	KASSERT(mutex_owned(p->p_lock));
	if (set != NULL) {
		/* Others may find it now, as it is, without the lock. */
		atomic_store_release(&p->p_cred, set);
		if (old != set)
			l->l_cred = kauth_cred_hold(set);
	}
	if (sugid)
		p->p_flag |= PK_SUGID;
	mutex_exit(p->p_lock);
	if (drop != NULL) {
		kauth_cred_free(drop);
		if (old != set)
			kauth_cred_free(old);
	}
}

/* chroot(2) copies the credential, though nothing in it changes. */
int
kern_chroot(struct lwp *l, struct vnode *vp)
{
	struct cwdinfo *cwdi = l->l_proc->p_cwdi;
	struct vnode *old;
	kauth_cred_t new = kauth_cred_alloc();

	KASSERT(curlwp == l);
	proc_crmod_enter();
	kauth_cred_clone(l->l_proc->p_cred, new);
	proc_crmod_leave(new, l->l_proc->p_cred, true);
	kauth_proc_chroot(l->l_cred, cwdi);
	vref(vp);
	rw_enter(&cwdi->cwdi_lock, RW_WRITER);
	old = cwdi->cwdi_rdir;
	cwdi->cwdi_rdir = vp;
	rw_exit(&cwdi->cwdi_lock);
	if (old != NULL)
		vrele(old);
	return 0;
}

void
kern_setuid(struct lwp *l, uid_t uid)
{
	struct proc *p = l->l_proc;
	kauth_cred_t new = kauth_cred_alloc(), old;

	KASSERT(curlwp == l);
	proc_crmod_enter();
	old = p->p_cred;
	(void)kern_ask(KAUTH_SCOPE_PROCESS, old, KAUTH_PROCESS_SETID, p, NULL,
	    NULL, NULL);
	kauth_cred_clone(old, new);
	kauth_cred_setuids(new, uid);
	proc_crmod_leave(new, old, true);
}

struct lwp *
kern_host_user(uid_t uid)
{
	struct lwp *was = curlwp, *l;
	int error;

	curlwp = LIST_FIRST(&initproc->p_lwps);
	l = kern_fork(curlwp, &error);
	KASSERT(error == 0);
	curlwp = l;
	kern_exec(l);
	if (uid != 0)
		kern_setuid(l, uid);
	curlwp = was;
	return l;
}

void
psignal(struct proc *p, int signum)
{
	KASSERT(mutex_owned(&proc_lock));
	mutex_enter(p->p_lock);
	/* One that fork(2) is making, or that has ended, gets none. */
	if (signum == SIGKILL && (p->p_stat == SACTIVE || p->p_stat == SSTOP))
		atomic_store_relaxed(&p->p_killed, 1);
	mutex_exit(p->p_lock);
}

int
kern_kill(struct lwp *l, pid_t pid, int signum)
{
	struct proc *p;
	int error = ESRCH;

	KASSERT(curlwp == l);
	mutex_enter(&proc_lock);
	if ((p = proc_find(pid)) != NULL) {
		mutex_enter(p->p_lock);
		error = kern_ask(KAUTH_SCOPE_PROCESS, l->l_cred,
		    KAUTH_PROCESS_SIGNAL, p, KAUTH_ARG(signum), NULL, NULL) ==
		    KAUTH_RESULT_DENY ? EPERM : 0;
		if (error == 0 && signum == SIGKILL)
			atomic_store_relaxed(&p->p_killed, 1);
		mutex_exit(p->p_lock);
	}
	mutex_exit(&proc_lock);
	return error;
}
