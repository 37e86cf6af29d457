package harness

// What a caller of the suite ignores, the runtimes under test shall not.

import (
	"os"
	"os/signal"
	"syscall"
)

// Heed gives the programs that this process starts the default action of every
// signal that its caller ignores, as nohup(1) ignores SIGHUP: a runtime keeps
// such a signal ignored, and cases ask what it does with it. This process itself
// goes on without a word.
func Heed() {
	for s := syscall.Signal(1); s < 32; s++ {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
