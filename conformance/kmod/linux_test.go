package kmod

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/adversary/linux"
	"golang.org/x/sys/unix"
)

// The programs do on Linux what they have to do in its emulation.
func TestLinuxProgram(t *testing.T) {
	for _, a := range linuxArchs {
		if runtime.GOOS != "linux" || runtime.GOARCH != a.name && runtime.GOARCH != "amd64" {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			victim := exec.Command("/bin/sleep", "60")
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			pid := int32(victim.Process.Pid)
			for _, tt := range []struct {
				number uint32
				args   []int32
				want   unix.Errno
			}{
				{a.tgkill, []int32{pid, pid, 0}, 0},
				{a.tgkill, []int32{-1, pid, 0}, unix.EINVAL}, // NetBSD's takes it
				{a.tkill, []int32{0, 0}, unix.EINVAL},
				{a.tkill, []int32{pid, 9}, 0},
			} {
				text, err := a.program(tt.number, tt.args...)
				if err != nil {
					t.Fatal(err)
				}
				name := filepath.Join(t.TempDir(), "program")
				if err := os.WriteFile(name, text, 0o700); err != nil {
					t.Fatal(err)
				}
				err = linux.Run(exec.Command(name))
				var exit *exec.ExitError
				if got := unix.Errno(0); errors.As(err, &exit) && exit.Exited() {
					if got = unix.Errno(exit.ExitCode()); got != tt.want {
						t.Errorf("call %d %v = %v; want %v", tt.number, tt.args, got, tt.want)
					}
				} else if err != nil || tt.want != 0 {
					t.Errorf("call %d %v: %v; want %v", tt.number, tt.args, err, tt.want)
				}
			}
			err := victim.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(interface{ Signal() unix.Signal }).Signal() != unix.SIGKILL {
				t.Errorf("the victim ended with %v; want SIGKILL", err)
			}
		})
	}
}
