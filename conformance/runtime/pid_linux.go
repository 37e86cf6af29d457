package runtime

// Making a process with a given pid: Linux starts from the number after the
// one in ns_last_pid.

import (
	"os"
	"os/exec"
	"strconv"
)

// reusePid starts a process that has pid, if it can.
func reusePid(t *t, pid int) bool {
	for range 200 {
		if os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0) != nil {
			return false
		}
		cmd := exec.Command(t.HostProbe(), "sleep", "600s")
		if err := t.Spawn(cmd); err != nil {
			return false
		}
		if cmd.Process.Pid == pid {
			return true
		}
		_ = cmd.Process.Kill()
	}
	return false
}
