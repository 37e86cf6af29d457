package sys

// What /proc tells about a process.

import (
	"bytes"
	"hash/fnv"
	"strconv"
	"sync"
)

// StartTime gives a mark of a process's start: clock ticks since boot (proc(5),
// stat field 22) and which boot. ok is false when it is gone or a zombie.
func StartTime(pid int) (start uint64, ok bool) {
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
	ticks, err := strconv.ParseUint(string(f[19]), 10, 64)
	return startMark(ticks, bootID()), err == nil
}

// bootID is this boot's; empty where it can't be had.
var bootID = sync.OnceValue(func() string {
	b, err := ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
})

// startMark joins both: one machine boots alike each time, and a record on disk
// outlives a boot.
func startMark(ticks uint64, boot string) uint64 {
	const tickBits = 40 // 348 years
	h := fnv.New64a()
	_, _ = h.Write([]byte(boot))
	return h.Sum64()<<tickBits ^ ticks
}

// Alive tells whether pid still is the process that started at start (see
// StartTime), and not a zombie.
func Alive(pid int, start uint64) bool {
	if pid <= 0 {
		return false
	}
	t, ok := StartTime(pid)
	return ok && t == start
}
