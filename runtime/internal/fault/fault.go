//go:build faultinject

package fault

// RUNCELL_FAULT=NAME kills runcell with SIGKILL at the point of that name,
// RUNCELL_FAULT_TRACE=FILE appends the name of every point that is passed.

import (
	"fmt"
	"os"
	"syscall"
)

// Point kills runcell if it is the chosen one.
func Point(name string) {
	if f := os.Getenv("RUNCELL_FAULT_TRACE"); f != "" {
		if w, err := os.OpenFile(f, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_, _ = fmt.Fprintln(w, name)
			_ = w.Close()
		}
	}
	if os.Getenv("RUNCELL_FAULT") == name {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
