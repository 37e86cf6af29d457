#!/bin/sh
# Writes go-modules.mk from go.sum, as pkgsrc's `make show-go-modules` does:
#	sh pkg/runcell/go-modules.sh <go.sum >pkg/runcell/go-modules.mk
LC_ALL=C
export LC_ALL
echo '# $NetBSD$'
echo
# An upper case letter is written as ! and the lower case one.
awk '{ v = $2; end = ".zip"; if (sub(/\/go\.mod$/, "", v)) end = ".mod"; print $1 "/@v/" v end }' |
    sed -E 's/[A-Z]/!&/g' | tr '[:upper:]' '[:lower:]' | sort |
    sed 's/^/GO_MODULE_FILES+=	/'
