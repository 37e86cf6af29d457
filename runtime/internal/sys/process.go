package sys

// Which process a pid is: a number alone may be another's by now.

// Alive tells whether pid still is the process that started at start (see
// StartTime), and not a zombie.
func Alive(pid int, start uint64) bool {
	if pid <= 0 {
		return false
	}
	t, ok := StartTime(pid)
	return ok && t == start
}
