package sys

// What /proc tells about a process.

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// StartTime gives a mark of a process's start: clock ticks since boot (proc(5),
// stat field 22) and which boot. ok is false when it is gone or a zombie; an
// error says that it can't be told.
func StartTime(pid int) (start uint64, ok bool, err error) {
	err = useFile("/proc/"+strconv.Itoa(pid)+"/stat", func(b []byte) (err error) {
		start, ok, err = parseStat(b)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) { // before the file was open, or after
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return start, ok, nil
}

func parseStat(b []byte) (start uint64, ok bool, err error) {
	// The command's name may hold anything; the fields follow its last ')'.
	i := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[i+1:])
	if i < 0 || len(f) < 20 {
		return 0, false, fmt.Errorf("its stat is %q", b)
	}
	if f[0][0] == 'Z' || f[0][0] == 'X' {
		return 0, false, nil
	}
	ticks, err := strconv.ParseUint(string(f[19]), 10, 64)
	if err != nil {
		return 0, false, err
	}
	boot, err := bootID()
	return startMark(ticks, boot), err == nil, err
}

// bootID is this boot's.
var bootID = sync.OnceValues(func() (string, error) {
	b, err := ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("tell this boot from the last: %w", err)
	}
	return string(bytes.TrimSpace(b)), nil
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
// StartTime), and not a zombie. Without an answer it is neither alive nor not:
// an error.
func Alive(pid int, start uint64) (bool, error) {
	if pid <= 0 {
		return false, nil
	}
	t, ok, err := StartTime(pid)
	return ok && t == start, err
}
