package main

// Requests to the kernel that the demo makes from inside a cell.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// try makes one request and prints the kernel's answer by its symbolic name:
// "mount: EPERM", "read /dev/null: ok". The error is the exit status.
func try(request, arg string) error {
	var err error
	switch request {
	case "mount":
		err = tryMount()
	case "settimeofday":
		err = trySetTime()
	case "kill":
		var pid int
		if pid, err = strconv.Atoi(arg); err == nil {
			err = syscall.Kill(pid, syscall.SIGTERM)
		}
	case "bind":
		err = tryBind(arg)
	case "read":
		err = tryRead(arg)
	case "processes":
		return processes()
	default:
		return errors.New("no such request: " + request)
	}
	fmt.Println(strings.TrimSpace(request+" "+arg) + ": " + answer(err))
	if err != nil {
		os.Exit(1)
	}
	return nil
}

// answer names what the kernel said.
func answer(err error) string {
	names := map[syscall.Errno]string{
		syscall.EPERM: "EPERM", syscall.EACCES: "EACCES", syscall.ESRCH: "ESRCH",
		syscall.EADDRINUSE: "EADDRINUSE", syscall.ENOENT: "ENOENT", syscall.ENXIO: "ENXIO",
	}
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno) && names[errno] != "":
		return names[errno]
	}
	return err.Error()
}

func tryBind(addr string) error {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// tryRead opens a file and reads up to 8 bytes of it.
func tryRead(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err = f.Read(make([]byte, 8)); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// processes prints what /proc shows: a line a process.
func processes() error {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if _, err := strconv.Atoi(d.Name()); err != nil {
			continue
		}
		args, err := os.ReadFile("/proc/" + d.Name() + "/cmdline")
		if err != nil {
			continue // it has ended
		}
		fmt.Println(d.Name(), strings.TrimSpace(strings.ReplaceAll(string(args), "\x00", " ")))
	}
	return nil
}

// now is the time that trySetTime sets: if it is allowed after all, nothing
// is broken.
func now() syscall.Timeval { return syscall.NsecToTimeval(time.Now().UnixNano()) }
