package harness

// Which kernel a runtime was tested on: on NetBSD that is part of the answer.

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func onSystem() string {
	release, err := unix.Sysctl("kern.osrelease")
	if err != nil {
		return ""
	}
	return " on NetBSD " + release + " " + runtime.GOARCH
}
