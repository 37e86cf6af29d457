package settings

// Users and groups as commands take them: numbers only. A name would have to be
// looked up in files that the container controls, and a value half understood
// runs a program as somebody else.

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseUser reads "uid" or "uid:gid". hasGID tells whether a group was given.
func ParseUser(s string) (uid, gid uint32, hasGID bool, err error) {
	user, group, hasGID := strings.Cut(s, ":")
	if uid, err = ParseID("user", user); err != nil {
		return 0, 0, false, err
	}
	if hasGID {
		gid, err = ParseID("group", group)
	}
	return uid, gid, hasGID, err
}

// ParseID reads a decimal number without sign, spaces or leading zeros.
// 4294967295 is (uid_t)-1, which setuid(2) and its kin take as "no change".
func ParseID(what, s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == math.MaxUint32 || s != strconv.FormatUint(n, 10) {
		return 0, fmt.Errorf("%s %q is not a number from 0 to %d; for a name, ask the container: runcell exec ID id NAME",
			what, s, uint32(math.MaxUint32-1))
	}
	return uint32(n), nil
}
