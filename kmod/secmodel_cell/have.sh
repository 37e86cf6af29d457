#!/bin/sh
# have.sh SYS: prints cell_have.h for the kernel sources in SYS: a HAVE_ for
# each KAUTH_ name that this kernel knows (they are enumerators, which #ifdef
# can't see), and for the differences that cell_compat.h bridges.
set -eu
sys=$1

echo '/* Made by have.sh from the headers of the kernel sources. */'
grep -Eo '\bKAUTH_[A-Z0-9_]+' "$sys/sys/kauth.h" | sort -u | sed 's/.*/#define	HAVE_& 1/'
if grep -Eq '^extern[[:space:]]+kmutex_t[[:space:]]+proc_lock' "$sys/sys/proc.h"; then
	echo '#define	HAVE_PROC_LOCK_OBJECT 1'
fi
if grep -Eq '[[:space:]]p_xexit;' "$sys/sys/proc.h"; then
	echo '#define	HAVE_P_XEXIT 1'
fi
if grep -Eq '[[:space:]]membar_release\(' "$sys/sys/atomic.h"; then
	echo '#define	HAVE_MEMBAR_RELEASE 1'
fi
