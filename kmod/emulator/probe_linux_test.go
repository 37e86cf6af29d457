// What the tests run inside cells: small attempts, each printing how it went.

package emulator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// probes are attempts by name. An attempt may take an argument after "=".
var probes = map[string]func(arg string) error{
	"null": func(string) error {
		f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
		if err == nil {
			_ = f.Close()
		}
		return err
	},
	"signal": func(arg string) error {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		return unix.Kill(pid, 0)
	},
}

// probe runs "wait" (says "ready", then blocks until its input ends), "pids",
// "root", "exit=N", or a list of attempts.
func probe(args []string) int {
	for _, a := range args {
		name, arg, _ := strings.Cut(a, "=")
		switch name {
		case "wait":
			fmt.Println("ready")
			_, _ = io.Copy(io.Discard, os.Stdin)
		case "fork": // a sibling that stays
			pid, err := syscall.ForkExec("/probe", []string{"probe", "sleep"}, &syscall.ProcAttr{Env: os.Environ()})
			fmt.Println(pid, err)
		case "sleep":
			_ = unix.Pause()
		case "pids":
			names, err := os.ReadDir("/proc")
			if err != nil {
				fmt.Println(err)
			}
			for _, n := range names {
				if _, err := strconv.Atoi(n.Name()); err == nil {
					fmt.Print(n.Name(), " ")
				}
			}
			fmt.Println()
		case "root":
			names, err := os.ReadDir("/")
			if err != nil {
				fmt.Println(err)
			}
			for _, n := range names {
				fmt.Print(n.Name(), " ")
			}
			fmt.Println()
		case "exit":
			n, _ := strconv.Atoi(arg)
			return n
		default:
			p := probes[name]
			if p == nil {
				fmt.Println("unknown probe", name)
				return 1
			}
			fmt.Println(name, outcome(p(arg)))
		}
	}
	return 0
}

// outcome is an errno's name, or "ok".
func outcome(err error) string {
	var n syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &n):
		return unix.ErrnoName(n)
	}
	return err.Error()
}
