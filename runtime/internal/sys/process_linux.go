package sys

// What /proc tells about a process.

import (
	"bytes"
	"strconv"
)

// StartTime gives a process's start in clock ticks since boot (proc(5), stat
// field 22). ok is false when it is gone or a zombie.
func StartTime(pid int) (ticks uint64, ok bool) {
	b, err := ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The command's name may hold anything; the fields follow its last ')'.
	i := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[i+1:])
	if i < 0 || len(f) < 20 || f[0][0] == 'Z' || f[0][0] == 'X' {
		return 0, false
	}
	ticks, err = strconv.ParseUint(string(f[19]), 10, 64)
	return ticks, err == nil
}
