// Command probe is the program inside the containers of this package's tests:
// a few words that look, try and wait.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	args := os.Args[1:]
	if len(args) == 0 {
		args = []string{"sleep"}
	}
	if err := verbs[args[0]](args[1:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

var verbs = map[string]func([]string) error{
	"sleep": func([]string) error { time.Sleep(time.Hour); return nil },
	"exit":  exit,
	"fds":   fds,
	"ls":    list,
	"cat":   cat,
	"write": write,
	"cwd":   cwd,
	"exe":   exe,
	"hook":  hook,
	"trap":  trap,
}

func exit(a []string) error {
	n, err := strconv.Atoi(a[0])
	if err == nil {
		os.Exit(n)
	}
	return err
}

// fds prints every open descriptor that was there before this program's own.
func fds([]string) error {
	for fd := range 256 {
		if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && to != "anon_inode:[eventpoll]" && to != "anon_inode:[eventfd]" {
			fmt.Println(fd, to)
		}
	}
	return nil
}

func list(a []string) error {
	entries, err := os.ReadDir(a[0])
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	return err
}

func cat(a []string) error {
	b, err := os.ReadFile(a[0])
	fmt.Print(string(b))
	return err
}

func write(a []string) error {
	return os.WriteFile(a[0], []byte(a[1]), 0o644)
}

func cwd([]string) error {
	d, err := os.Getwd()
	fmt.Println(d)
	return err
}

// exe waits for a process that shows the runcell binary and tries to write
// to it: what CVE-2019-5736 did.
func exe(a []string) error {
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		for pid := range 64 {
			r, err := os.Open(fmt.Sprintf("/proc/%d/exe", pid))
			if err != nil {
				continue
			}
			st, err := r.Stat()
			if err == nil && strconv.FormatUint(st.Sys().(*syscall.Stat_t).Ino, 10) == a[0] {
				w, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", r.Fd()), os.O_WRONLY, 0)
				if err == nil {
					_ = w.Close()
					fmt.Println("WRITABLE")
					return nil
				}
				fmt.Println("seen:", err)
			}
			_ = r.Close()
		}
	}
	return nil
}

// hook copies its standard input to a file, as hooks do that keep the state.
func hook(a []string) error {
	buf := make([]byte, 1<<16)
	n, err := os.Stdin.Read(buf)
	if err != nil {
		return err
	}
	return os.WriteFile(a[0], buf[:n], 0o644)
}

func trap([]string) error {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch)
	fmt.Println("ready")
	for s := range ch {
		if s == syscall.SIGURG {
			continue
		}
		fmt.Println(s)
		if s == syscall.SIGTERM {
			return nil
		}
	}
	return nil
}
