/*
 * All headers of the kernel that the module includes are this one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_KERN_H
#define KERN_KERN_H

#include "base.h"
#include "list.h"
#include "lock.h"
#include "auth.h"
#include "process.h"
#include "object.h"
#include "kauth_names.h"

#endif
