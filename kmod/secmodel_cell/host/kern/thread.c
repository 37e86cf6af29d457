/*
 * Kernel threads and soft interrupts, each a thread of this machine that
 * belongs to process 0.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "harness.h"
#include "host.h"

struct kthread {
	struct lwp	kt_lwp;
	void		(*kt_function)(void *);
	void		*kt_arg;
	void		*kt_host;
};

static void
run_kthread(void *arg)
{
	struct kthread *kt = arg;

	curlwp = &kt->kt_lwp;
	kt->kt_function(kt->kt_arg);
	panic("a kernel thread returned");
}

static void
start(struct kthread *kt, void (*run)(void *), void *arg)
{
	kern_lwp_init(&proc0, &kt->kt_lwp);
	kt->kt_host = host_thread(run, arg);
}

static void
join(struct kthread *kt)
{
	struct lwp *l = &kt->kt_lwp;

	KASSERT(harness_held() == 0);
	host_join(kt->kt_host);
	mutex_enter(proc0.p_lock);
	LIST_REMOVE(l, l_sibling);
	proc0.p_nlwps--;
	mutex_exit(proc0.p_lock);
	kern_lwp_finispecific(l);
	(void)mutex_obj_free(l->l_mutex);
	kauth_cred_free(l->l_cred);
}

int
kthread_create(pri_t pri, int flags, void *cpu, void (*function)(void *),
    void *arg, lwp_t **lp, const char *fmt, ...)
{
	struct kthread *kt;

	if (harness_fails())
		return ENOMEM;
	kt = kmem_zalloc(sizeof(*kt), KM_SLEEP);
	KASSERT((flags & KTHREAD_MUSTJOIN) != 0 && lp != NULL);
	kt->kt_function = function;
	kt->kt_arg = arg;
	*lp = &kt->kt_lwp;
	start(kt, run_kthread, kt);
	return 0;
}

void
kthread_exit(int status)
{
	KASSERT(harness_held() == 0);
	host_thread_end();
}

int
kthread_join(lwp_t *l)
{
	join((struct kthread *)l);
	kmem_free(l, sizeof(struct kthread));
	return 0;
}

struct softint {
	struct kthread	si_thread;
	void		(*si_function)(void *);
	void		*si_arg;
	uint64_t	si_lock[6];
	uint64_t	si_cv[8];
	bool		si_due, si_end;
};

static void
run_softint(void *arg)
{
	struct softint *si = arg;

	curlwp = &si->si_thread.kt_lwp;
	harness_softint(true);
	host_mutex_enter(si->si_lock);
	while (!si->si_end) {
		if (!si->si_due) {
			(void)host_cv_wait(si->si_cv, si->si_lock, 0);
			continue;
		}
		si->si_due = false;
		host_mutex_exit(si->si_lock);
		si->si_function(si->si_arg);
		KASSERT(harness_held() == 0);
		host_mutex_enter(si->si_lock);
	}
	host_mutex_exit(si->si_lock);
}

void *
softint_establish(u_int flags, void (*function)(void *), void *arg)
{
	struct softint *si;

	if (harness_fails())
		return NULL;
	si = kmem_zalloc(sizeof(*si), KM_SLEEP);
	KASSERT((flags & SOFTINT_MPSAFE) != 0);
	host_mutex_init(si->si_lock);
	host_cv_init(si->si_cv);
	si->si_function = function;
	si->si_arg = arg;
	start(&si->si_thread, run_softint, si);
	return si;
}

static void
wake(struct softint *si, bool *what)
{
	host_mutex_enter(si->si_lock);
	*what = true;
	host_cv_wake(si->si_cv);
	host_mutex_exit(si->si_lock);
}

void
softint_schedule(void *v)
{
	struct softint *si = v;

	KASSERT(kpreempt_disabled());
	wake(si, &si->si_due);
}

/* Waits for it, should it run. */
void
softint_disestablish(void *v)
{
	struct softint *si = v;

	ASSERT_SLEEPABLE();
	wake(si, &si->si_end);
	join(&si->si_thread);
	host_mutex_destroy(si->si_lock);
	host_cv_destroy(si->si_cv);
	kmem_free(si, sizeof(*si));
}
