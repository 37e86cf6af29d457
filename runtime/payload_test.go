package runtime_test

// The program of containers that tests make in their own process: the test
// program itself, so that it is there on a system without others.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/runtime/internal/nofile"
	"golang.org/x/sys/unix"
)

// payloadVar is set in the environment of the program.
const payloadVar = "RUNCELL_TEST_PAYLOAD"

// payloadEnv is the program's environment: without what it would open by itself.
var payloadEnv = []string{payloadVar + "=1", "GODEBUG=containermaxprocs=0,updatemaxprocs=0"}

var payloads = map[string]func(args []string) error{
	"cat":   func([]string) error { _, err := io.Copy(os.Stdout, os.Stdin); return err },
	"exit":  payloadExit,
	"sleep": func([]string) error { time.Sleep(time.Hour); return nil },
	"fds":   payloadFDs,
	"leave": payloadLeave,
	"tty":   payloadTTY,
	"limit": func([]string) error { l, _ := nofile.Inherited(); fmt.Println(l.Soft, l.Hard); return nil },
	"spawn": payloadSpawn,

	"create":  payloadCreate,
	"is":      payloadIs,
	"reopen":  payloadReopen,
	"sockets": payloadSockets,
	"listen":  payloadListen,
}

func init() {
	if os.Getenv(payloadVar) == "" {
		return
	}
	if err := payloads[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func payloadExit(args []string) error {
	status, err := strconv.Atoi(args[0])
	if err == nil {
		os.Exit(status)
	}
	return err
}

// payloadFDs lists the open descriptors, to a file if one is named.
func payloadFDs(args []string) error {
	var open []string
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			open = append(open, strconv.Itoa(fd))
		}
	}
	text := strings.Join(open, " ") + "\n"
	if len(args) > 0 {
		return os.WriteFile(args[0], []byte(text), 0o644)
	}
	_, err := os.Stdout.WriteString(text)
	return err
}

// payloadLeave leaves a child.
func payloadLeave([]string) error {
	cmd := exec.Command("/payload", "sleep")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

func payloadTTY([]string) error {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		return err
	}
	var line string
	if _, err := fmt.Scanln(&line); err != nil {
		return err
	}
	fmt.Printf("%s on %dx%d\n", line, size.Col, size.Row)
	return nil
}

// payloadSpawn is a program that did not call Embed.
func payloadSpawn(args []string) error {
	r, err := openRuntime(args[0], nil)
	if err != nil {
		return err
	}
	_, err = r.Spawn(background, execOptions(args[1], nil, "exit", "0"))
	fmt.Println(err)
	return nil
}

// payloadCreate makes a container and removes it, and tells whether it has a
// terminal afterwards.
func payloadCreate(args []string) error {
	r, err := openRuntime(args[0], nil)
	if err != nil {
		return err
	}
	_, err = r.Create(background, runtime.CreateOptions{ID: "made", Bundle: args[1], Streams: &runtime.Streams{}})
	fmt.Println(err)
	if f, err := os.Open("/dev/tty"); err == nil {
		fmt.Println("it has a terminal", f.Name())
	}
	return r.Delete(background, "made", true)
}

// payloadIs tells who it is to signals, to its session and to the kernel, and what
// its environment has for HOME, and without a name.
func payloadIs([]string) error {
	sid, err := unix.Getsid(0)
	if err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	env, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return err
	}
	fmt.Printf("leader %v", sid == os.Getpid())
	for _, v := range strings.Split(strings.TrimSuffix(string(env), "\x00"), "\x00") {
		if name, _, _ := strings.Cut(v, "="); name == "HOME" || name == "" {
			fmt.Printf(" %s", v)
		}
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":\t"); name == "SigIgn" || name == "Seccomp" {
			fmt.Printf(" %s %s", name, strings.Trim(value, "0\n"))
		}
	}
	fmt.Println()
	return nil
}

// payloadReopen writes to its standard output as to a file of that name.
func payloadReopen([]string) error {
	f, err := os.OpenFile("/proc/self/fd/1", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, os.Getuid(), "writes")
	return errors.Join(err, f.Close())
}

// payloadSockets gives a program a descriptor that it has been given.
func payloadSockets(args []string) error {
	r, err := openRuntime(args[0], nil)
	if err != nil {
		return err
	}
	p, err := r.Create(background, runtime.CreateOptions{ID: "made", Bundle: args[1], Streams: &runtime.Streams{Out: os.Stdout}, Sockets: runtime.Sockets{N: 1}})
	if err == nil {
		err = r.Start(background, "made")
	}
	if err == nil {
		_, err = p.Wait(background)
	}
	return errors.Join(err, r.Delete(background, "made", true))
}

func payloadListen([]string) error {
	_, err := unix.FcntlInt(3, unix.F_GETFD, 0)
	fmt.Println(os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()), err)
	return nil
}
