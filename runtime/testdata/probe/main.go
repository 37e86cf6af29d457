// Command probe is the program inside the containers of this package's tests:
// a few words that look, try and wait.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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
	"heed":  heed,
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

// exe waits for a process that shows the runcell binary, by inode, and tries to
// write to it once it has ended: what CVE-2019-5736 did. It prints WRITABLE, or
// the error that stays.
func exe(a []string) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		pids, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if r := openExe(pid, a[0]); r != nil {
				fmt.Println(tryWrite(r))
				return nil
			}
		}
	}
	return errors.New("never seen")
}

func openExe(pid, inode string) *os.File {
	r, err := os.Open(pid + "/exe")
	if err != nil {
		return nil
	}
	if st, err := r.Stat(); err == nil && strconv.FormatUint(st.Sys().(*syscall.Stat_t).Ino, 10) == inode {
		return r
	}
	_ = r.Close()
	return nil
}

// tryWrite waits out ETXTBSY, which holds only while the binary runs.
func tryWrite(r *os.File) string {
	for end := time.Now().Add(5 * time.Second); ; {
		w, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", r.Fd()), os.O_WRONLY, 0)
		if err == nil {
			_ = w.Close()
			return "WRITABLE"
		}
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(end) {
			return err.Error()
		}
	}
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

// heed ends with status 7 when a signal comes, and leaves a process behind. Of
// NONE it heeds none.
func heed(a []string) error {
	if a[0] == "NONE" {
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	}
	sig := map[string]os.Signal{"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1}[a[0]]
	got := make(chan os.Signal, 1)
	signal.Notify(got, sig)
	if err := exec.Command("/probe", "sleep").Start(); err != nil {
		return err
	}
	fmt.Println("ready")
	<-got
	os.Exit(7)
	return nil
}
