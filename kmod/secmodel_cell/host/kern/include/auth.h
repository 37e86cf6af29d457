/*
 * kauth(9), secmodel(9) and specificdata: credentials, scopes, listeners.  The
 * actions and requests are in kauth_names.h, which the tests make out of the
 * policy table.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_AUTH_H
#define KERN_AUTH_H

#include "list.h"
#include "lock.h"

typedef struct kauth_cred	*kauth_cred_t;
typedef struct kauth_scope	*kauth_scope_t;
typedef struct kauth_listener	*kauth_listener_t;
typedef uint64_t		kauth_action_t;
typedef struct secmodel		*secmodel_t;
typedef u_int			specificdata_key_t;
typedef struct kauth_key	*kauth_key_t;
typedef void			(*specificdata_dtor_t)(void *);
typedef int (*kauth_scope_callback_t)(kauth_cred_t, kauth_action_t, void *,
    void *, void *, void *, void *);

#define	NOCRED	((kauth_cred_t)-1)
#define	FSCRED	((kauth_cred_t)-2)

struct specificdata_container;
struct specificdata_domain {
	kmutex_t		lock;
	u_int			count;		/* of keys, also deleted ones */
	specificdata_dtor_t	end[32];
	LIST_HEAD(, specificdata_container) all;
};
typedef struct specificdata_domain *specificdata_domain_t;
typedef struct {
	struct specificdata_container *specdataref_container;
	kmutex_t	specdataref_lock;
} specificdata_reference;

struct kauth_cred {
	u_int			cr_refcnt;
	uid_t			cr_uid, cr_euid, cr_svuid;
	gid_t			cr_gid, cr_egid;
	specificdata_reference	cr_sd;
};

#define	KAUTH_RESULT_ALLOW	0
#define	KAUTH_RESULT_DENY	1
#define	KAUTH_RESULT_DEFER	2

#define	KAUTH_SCOPE_CRED	"org.netbsd.kauth.cred"
#define	KAUTH_SCOPE_GENERIC	"com.apple.kauth.generic"
#define	KAUTH_SCOPE_SYSTEM	"org.netbsd.kauth.system"
#define	KAUTH_SCOPE_PROCESS	"com.apple.kauth.process"
#define	KAUTH_SCOPE_NETWORK	"org.netbsd.kauth.network"
#define	KAUTH_SCOPE_MACHDEP	"org.netbsd.kauth.machdep"
#define	KAUTH_SCOPE_DEVICE	"org.netbsd.kauth.device"
#define	KAUTH_SCOPE_VNODE	"com.apple.kauth.vnode"

enum { KAUTH_CRED_INIT = 1, KAUTH_CRED_FORK, KAUTH_CRED_COPY, KAUTH_CRED_FREE,
    KAUTH_CRED_CHROOT };

#define	KAUTH_ARG(a)	((void *)(uintptr_t)(a))

kauth_cred_t	kauth_cred_alloc(void);
kauth_cred_t	kauth_cred_hold(kauth_cred_t);
void		kauth_cred_free(kauth_cred_t);
void		kauth_cred_clone(kauth_cred_t, kauth_cred_t);
kauth_cred_t	kauth_cred_dup(kauth_cred_t);
kauth_cred_t	kauth_cred_get(void);
uid_t		kauth_cred_getuid(kauth_cred_t);
uid_t		kauth_cred_geteuid(kauth_cred_t);
uid_t		kauth_cred_getsvuid(kauth_cred_t);
gid_t		kauth_cred_getgid(kauth_cred_t);
gid_t		kauth_cred_getegid(kauth_cred_t);
void		kauth_cred_setuids(kauth_cred_t, uid_t);	/* all three */
u_int		kauth_cred_getrefcnt(kauth_cred_t);
int		kauth_cred_ismember_gid(kauth_cred_t, gid_t, int *);
int		kauth_cred_groupmember(kauth_cred_t, gid_t);
int		kauth_cred_uidmatch(kauth_cred_t, kauth_cred_t);
int		kauth_register_key(secmodel_t, kauth_key_t *);
int		kauth_deregister_key(kauth_key_t);
void		*kauth_cred_getdata(kauth_cred_t, kauth_key_t);
void		kauth_cred_setdata(kauth_cred_t, kauth_key_t, void *);
kauth_listener_t kauth_listen_scope(const char *, kauth_scope_callback_t,
    void *);
void		kauth_unlisten_scope(kauth_listener_t);

struct proc;
struct cwdinfo;
void		kauth_proc_fork(struct proc *, struct proc *);
void		kauth_proc_chroot(kauth_cred_t, struct cwdinfo *);

typedef int (*secmodel_setinfo_t)(void);
typedef int (*secmodel_eval_t)(const char *, void *, void *);
int	secmodel_register(secmodel_t *, const char *, const char *, void *,
	    secmodel_eval_t, secmodel_setinfo_t);
int	secmodel_deregister(secmodel_t);

int	specificdata_key_create(specificdata_domain_t, specificdata_key_t *,
	    specificdata_dtor_t);
void	specificdata_key_delete(specificdata_domain_t, specificdata_key_t);
void	specificdata_fini(specificdata_domain_t, specificdata_reference *);
void	*specificdata_getspecific(specificdata_domain_t,
	    specificdata_reference *, specificdata_key_t);
void	specificdata_setspecific(specificdata_domain_t,
	    specificdata_reference *, specificdata_key_t, void *);
void	*specificdata_getspecific_unlocked(specificdata_domain_t,
	    specificdata_reference *, specificdata_key_t);
int	proc_specific_key_create(specificdata_key_t *, specificdata_dtor_t);
void	proc_specific_key_delete(specificdata_key_t);
void	*proc_getspecific(struct proc *, specificdata_key_t);
void	proc_setspecific(struct proc *, specificdata_key_t, void *);
int	lwp_specific_key_create(specificdata_key_t *, specificdata_dtor_t);
void	lwp_specific_key_delete(specificdata_key_t);
void	*lwp_getspecific(specificdata_key_t);
void	lwp_setspecific(specificdata_key_t, void *);

/* For the stand-ins. */
void	kern_auth_init(void);
void	kern_domain_init(struct specificdata_domain *);
void	kern_specific_domains(void);
void	kern_specific_init(specificdata_reference *);
void	kern_proc_finispecific(struct proc *);
void	kern_lwp_finispecific(struct lwp *);

/* KAUTH_RESULT_*: what all listeners of a scope say together. */
int	kauth_authorize_process(kauth_cred_t, kauth_action_t, struct proc *,
	    void *, void *, void *);
int	kern_ask(const char *, kauth_cred_t, kauth_action_t, void *, void *,
	    void *, void *);

#endif
