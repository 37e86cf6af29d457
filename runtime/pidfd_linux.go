package runtime

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// sendPidfd sends a pidfd of the process to --pidfd-socket.
func sendPidfd(socket string, pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open pidfd: %w", err)
	}
	defer closeFD(pidfd)
	sock, err := dialConsole(socket)
	if err != nil {
		return fmt.Errorf("--pidfd-socket: %w", err)
	}
	defer closeFD(sock)
	return sendConsole(sock, pidfd, "pidfd")
}

// isSelf tells whether a process runs our own binary: the container's program
// was /proc/self/exe or a script with that interpreter (CVE-2019-5736).
func isSelf(pid int) bool {
	var self, other unix.Stat_t
	if unix.Stat("/proc/self/exe", &self) != nil || unix.Stat(fmt.Sprintf("/proc/%d/exe", pid), &other) != nil {
		return false
	}
	return self.Dev == other.Dev && self.Ino == other.Ino
}
