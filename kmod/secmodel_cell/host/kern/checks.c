/*
 * Cases: what the stand-ins must not let pass.  Each breaks one rule, and has
 * to end in a panic for that reason.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"
#include "host.h"

static kmutex_t	adaptive, spinning;

static void
init(void)
{
	mutex_init(&adaptive, MUTEX_DEFAULT, IPL_NONE);
	mutex_init(&spinning, MUTEX_DEFAULT, IPL_SCHED);
}

static void
uninitialized(void)
{
	mutex_enter(&adaptive);
}

static void
destroyed(void)
{
	init();
	mutex_destroy(&adaptive);
	mutex_enter(&adaptive);
}

static void
held_destroyed(void)
{
	init();
	mutex_enter(&adaptive);
	mutex_destroy(&adaptive);
}

static void
twice(void)
{
	init();
	mutex_enter(&adaptive);
	mutex_enter(&adaptive);
}

static void
not_held(void)
{
	init();
	mutex_exit(&adaptive);
}

static void
under_spin(void)
{
	init();
	mutex_spin_enter(&spinning);
	mutex_enter(&adaptive);
}

static void
memory_under_spin(void)
{
	init();
	mutex_spin_enter(&spinning);
	(void)kmem_alloc(1, KM_NOSLEEP);
}

static void
memory_with_p_lock(void)
{
	mutex_enter(curproc->p_lock);
	(void)kmem_alloc(1, KM_SLEEP);
}

static void
pause_with_proc_lock(void)
{
	mutex_enter(&proc_lock);
	(void)kpause("check", false, 1, NULL);
}

static void
in_read_section(void)
{
	init();
	(void)pserialize_read_enter();
	mutex_enter(&adaptive);
}

static void
not_sleepable(void *arg)
{
	(void)kmem_alloc(1, KM_SLEEP);
}

static void
in_soft_interrupt(void)
{
	void *si = softint_establish(SOFTINT_CLOCK | SOFTINT_MPSAFE,
	    not_sleepable, NULL);

	kpreempt_disable();
	softint_schedule(si);
	kpreempt_enable();
	host_sleep(10000);
}

static void
preemptible(void)
{
	softint_schedule(softint_establish(SOFTINT_CLOCK | SOFTINT_MPSAFE,
	    not_sleepable, NULL));
}

static void
freed_with_mutex(void)
{
	kmutex_t *m = kmem_alloc(sizeof(*m), KM_SLEEP);

	mutex_init(m, MUTEX_DEFAULT, IPL_NONE);
	kmem_free(m, sizeof(*m));
}

static void
other_size(void)
{
	kmem_free(kmem_alloc(8, KM_SLEEP), 16);
}

static int
keeps_lock(kauth_cred_t cred, kauth_action_t action, void *cookie, void *arg0,
    void *arg1, void *arg2, void *arg3)
{
	mutex_enter(&adaptive);
	return KAUTH_RESULT_DEFER;
}

static void
listener_keeps_lock(void)
{
	init();
	(void)kauth_listen_scope(KAUTH_SCOPE_GENERIC, keeps_lock, NULL);
	(void)kern_ask(KAUTH_SCOPE_GENERIC, curlwp->l_cred, 1, NULL, NULL,
	    NULL, NULL);
}

/* A process that has ended has no private data any more. */
static void
ended(void)
{
	struct lwp *l = kern_host_user(0);
	specificdata_key_t key;

	EXPECT(proc_specific_key_create(&key, NULL), 0);
	(void)proc_getspecific(leave_zombie(l, 0), key);
}

/* Nor do credentials refuse to be copied in silence. */
static int
denies(kauth_cred_t cred, kauth_action_t action, void *cookie, void *arg0,
    void *arg1, void *arg2, void *arg3)
{
	return KAUTH_RESULT_DENY;
}

static void
credential_denied(void)
{
	(void)kauth_listen_scope(KAUTH_SCOPE_CRED, denies, NULL);
	(void)kauth_cred_dup(curlwp->l_cred);
}

const struct harness_case check_cases[] = {
	{ "checks/uninitialized", uninitialized, false,
	    "mutex_enter: uninitialized mutex" },
	{ "checks/destroyed", destroyed, false,
	    "mutex_enter: destroyed mutex" },
	{ "checks/held-destroyed", held_destroyed, false,
	    "mutex_destroy: &adaptive is held" },
	{ "checks/twice", twice, false,
	    "mutex_enter: locking &adaptive against myself" },
	{ "checks/not-held", not_held, false,
	    "mutex_exit: &adaptive is not held" },
	{ "checks/under-spin", under_spin, false,
	    "mutex_enter: &adaptive: spin lock held" },
	{ "checks/memory-under-spin", memory_under_spin, false,
	    "kmem_alloc: spin lock held" },
	{ "checks/memory-with-p_lock", memory_with_p_lock, false,
	    "kmem_alloc: waits with p_lock held" },
	{ "checks/pause-with-proc_lock", pause_with_proc_lock, false,
	    "kpause: waits with proc_lock held" },
	{ "checks/in-read-section", in_read_section, false,
	    "mutex_enter: &adaptive: in a section that may not sleep" },
	{ "checks/in-soft-interrupt", in_soft_interrupt, false,
	    "kmem_alloc: in a soft interrupt" },
	{ "checks/preemptible", preemptible, false,
	    "assertion \"kpreempt_disabled()\" failed" },
	{ "checks/freed-with-mutex", freed_with_mutex, false,
	    "kmem_free: of memory with the mutex" },
	{ "checks/other-size", other_size, false,
	    "kmem_free: 16 bytes of 8" },
	{ "checks/listener-keeps-lock", listener_keeps_lock, false,
	    "assertion \"harness_held() == before\" failed" },
	{ "checks/ended", ended, false, "mutex_enter: destroyed mutex" },
	{ "checks/credential-denied", credential_denied, false,
	    "assertion \"r == KAUTH_RESULT_ALLOW\" failed" },
	{ NULL, NULL, false, NULL },
};
