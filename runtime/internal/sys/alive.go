package sys

// Alive tells whether pid still is the process that started at start, and
// not a zombie.
func Alive(pid int, start uint64) bool {
	if pid <= 0 {
		return false
	}
	t, ok := StartTime(pid)
	return ok && t == start
}
