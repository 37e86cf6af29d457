package emulator

// What the tests run inside cells: small attempts, each printing how it went.

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// probes are attempts by name. An attempt may take an argument after "=".
var probes = map[string]func(arg string) error{
	"tcp": func(arg string) error { return bind(unix.SOCK_STREAM, arg) },
	"udp": func(arg string) error { return bind(unix.SOCK_DGRAM, arg) },
	"bomb": func(string) error {
		for range 100 {
			attr := &syscall.ProcAttr{Env: os.Environ()}
			if _, err := syscall.ForkExec("/probe", []string{"probe", "sleep"}, attr); err != nil {
				return err
			}
		}
		return nil
	},
	"null": func(string) error {
		f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
		if err == nil {
			_ = f.Close()
		}
		return err
	},
	"mount":   func(string) error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "") },
	"umount":  func(string) error { return unix.Unmount("/dev", unix.MNT_DETACH) },
	"remount": func(string) error { return unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
	"settime": func(string) error {
		var tv unix.Timeval
		if err := unix.Gettimeofday(&tv); err != nil {
			return err
		}
		return unix.Settimeofday(&tv)
	},
	"adjtime":  func(string) error { _, err := unix.Adjtimex(&unix.Timex{Modes: 1}); return err },
	"chroot":   func(string) error { return unix.Chroot("/tmp") },
	"mknod":    func(string) error { return unix.Mknod("/tmp/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) },
	"mkfifo":   func(string) error { return unix.Mkfifo("/tmp/fifo", 0o600) },
	"hostname": func(string) error { return unix.Sethostname([]byte("cell")) },
	"unshare":  func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"clone3": func(string) error {
		_, _, n := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
		return errno(n)
	},
	"sysvipc": func(string) error {
		_, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
		return err
	},
	"sysctl": func(string) error { return os.WriteFile("/proc/sys/kernel/core_uses_pid", []byte("1\n"), 0) },
	"chown":  func(string) error { return os.Chown("/tmp", 0, 0) },
	"setuid": func(string) error {
		_, _, n := unix.RawSyscall(unix.SYS_SETUID, 12345, 0, 0)
		return errno(n)
	},
	"nice":  func(string) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -5) },
	"inet":  func(string) error { return open(unix.AF_INET, unix.SOCK_STREAM, 0) },
	"inet6": func(string) error { return open(unix.AF_INET6, unix.SOCK_DGRAM, 0) },
	"raw":   func(string) error { return open(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
	"route": func(string) error { return open(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE) },
	"unix":  func(string) error { return open(unix.AF_UNIX, unix.SOCK_STREAM, 0) },
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
			if os.Getpid() == 1 {
				signal.Ignore(unix.SIGTERM) // it would take the others with it
			}
			fmt.Println("ready")
			_, _ = io.Copy(io.Discard, os.Stdin)
		case "fork": // a sibling that stays
			pid, err := syscall.ForkExec("/probe", []string{"probe", "sleep"}, &syscall.ProcAttr{Env: os.Environ()})
			fmt.Println(pid, err)
		case "sleep":
			_ = unix.Pause()
		case "listen": // and go on
			fmt.Println(a, outcome(listen(arg)))
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
			fmt.Println(a, outcome(p(arg)))
		}
	}
	return 0
}

// listen keeps a socket that waits for connections.
func listen(at string) error {
	domain, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if at == "::1" {
		domain, sa = unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err == nil {
		err = unix.Listen(fd, 1)
	}
	return err
}

// bind binds a socket of its own to an address and port.
func bind(typ int, to string) error {
	a, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	domain, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()})
	if a.Addr().Is4() {
		domain, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Bind(fd, sa)
}

func open(domain, typ, proto int) error {
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, proto)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// errno is n as an error, nil for 0.
func errno(n syscall.Errno) error {
	if n == 0 {
		return nil
	}
	return n
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
