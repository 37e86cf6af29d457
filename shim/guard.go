package shim

// The containers of a pod share a process: what goes wrong for one of them must
// not end the others.

import (
	"runtime/debug"

	"github.com/containerd/log"
)

// Guard does something for one container. A fault in it, a panic, is logged and
// ends there; Guard tells whether there was none. What was to come after it in the
// function does not happen, so locks and files of it are given up by defer.
func Guard(what string, do func()) (whole bool) {
	defer func() {
		if fault := recover(); fault != nil {
			log.L.Errorf("%s: %v\n%s", what, fault, debug.Stack())
		}
	}()
	do()
	return true
}

// Go does it in a goroutine, which is how every one of the shim's begins: a fault
// that nobody guards ends the process.
func Go(what string, do func()) { go Guard(what, do) }
