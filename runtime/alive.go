package runtime

// alive tells whether pid still is the process that started at start, and
// not a zombie.
func alive(pid int, start uint64) bool {
	if pid <= 0 {
		return false
	}
	t, ok := startTime(pid)
	return ok && t == start
}
