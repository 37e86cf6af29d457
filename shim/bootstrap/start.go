package bootstrap

// start: finds the shim that serves a container, or starts one, and prints where
// it is.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	boot "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// groups are the annotations whose containers share a shim, if they have the
// same value. The first that is there counts.
var groups = []string{"io.containerd.runcell.v1.group", "io.kubernetes.cri.sandbox-id"}

// AddressFile is the file in a bundle that has the address of its shim.
const AddressFile = "address"

// inputLimit is how much containerd may say on standard input, in bytes.
const inputLimit = 1 << 20

// Start starts a shim if there is none for the container, and prints its
// address.
func Start(f *Flags, stdin io.Reader, stdout io.Writer) error {
	in, err := io.ReadAll(io.LimitReader(stdin, inputLimit))
	if err != nil {
		return fmt.Errorf("read parameters: %w", err)
	}
	p := parameters(in, f)
	group, err := groupOf(f)
	if err != nil {
		return err
	}
	path := socketPath(p.socketDir, f.Address, f.Namespace, group)
	address := "unix://" + path
	if err := os.WriteFile(filepath.Join(f.Bundle, AddressFile), []byte(address), 0o600); err != nil {
		return fmt.Errorf("write address: %w", err)
	}
	socket, err := listen(path)
	if err != nil {
		return err
	}
	if socket != nil {
		err := spawn(f, path, socket, p.events)
		if err := errors.Join(err, socket.Close()); err != nil {
			return errors.Join(err, os.Remove(path))
		}
	}
	answer := []byte(address)
	if p.protobuf {
		if answer, err = proto.Marshal(&boot.BootstrapResult{Version: 3, Address: address, Protocol: "ttrpc"}); err != nil {
			return fmt.Errorf("write address: %w", err)
		}
	}
	_, err = stdout.Write(answer)
	return err
}

// params are what containerd says besides the command line.
type params struct {
	protobuf  bool // it expects a BootstrapResult, not the bare address
	socketDir string
	events    string // address that events go to
}

// parameters reads what containerd has written: since 2.3 BootstrapParams, which
// repeat the command line; before, options or nothing.
func parameters(in []byte, f *Flags) params {
	p := params{socketDir: defaultSocketDir, events: os.Getenv("TTRPC_ADDRESS")}
	var b boot.BootstrapParams
	if proto.Unmarshal(in, &b) != nil || b.GetContainerdVersion() == "" || b.GetInstanceID() != f.ID || b.GetNamespace() != f.Namespace {
		return p
	}
	p.protobuf = true
	if b.GetSocketDir() != "" {
		p.socketDir = b.GetSocketDir()
	}
	if b.GetContainerdTtrpcAddress() != "" {
		p.events = b.GetContainerdTtrpcAddress()
	}
	f.Debug = f.Debug || b.GetLogLevel() <= boot.LogLevel_LOG_LEVEL_DEBUG
	return p
}

// groupOf gives the group of a container: by itself, unless an annotation says
// another.
func groupOf(f *Flags) (string, error) {
	text, err := os.ReadFile(filepath.Join(f.Bundle, "config.json"))
	if err != nil {
		return "", fmt.Errorf("read config: %w", err)
	}
	var config struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return "", fmt.Errorf("read config: %w", err)
	}
	for _, name := range groups {
		if group := config.Annotations[name]; group != "" {
			return group, nil
		}
	}
	return f.ID, nil
}

// dialLimit is how long a shim may take to accept a connection.
const dialLimit = time.Second

// longest is how long the name of a socket may be, in bytes (unix(4), unix(7): with a
// zero behind it).
const longest = len(unix.RawSockaddrUnix{}.Path) - 1

// makeSocketDir makes the directory of a socket. In one that others can write to they
// could put a socket of their own in its place.
func makeSocketDir(path string) error {
	if len(path) > longest {
		most := longest - len(path) + len(filepath.Dir(path))
		return fmt.Errorf("make socket: the directory %s has %d bytes, and may have %d here: name a shorter one (socket_dir in containerd's configuration)", filepath.Dir(path), len(filepath.Dir(path)), most)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of socket: %w", err)
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at directory of socket: %w", err)
	}
	const others = 0o022
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() || fi.Mode()&others != 0 {
		return fmt.Errorf("make socket: others can write to %s (%v): make it user %d's, with mode 0700", dir, fi.Mode(), os.Geteuid())
	}
	return nil
}

// listen makes the socket, or gives nil if somebody serves it already. One that
// nobody serves is what a killed shim has left.
func listen(path string) (*os.File, error) {
	if err := makeSocketDir(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), lockLimit, fmt.Errorf("others hold it for %v", lockLimit))
	defer cancel()
	unlock, err := lockSockets(ctx, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	for again := true; ; again = false {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if errors.Is(err, unix.EADDRINUSE) && again {
			if Served(path) {
				return nil, nil
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("remove old socket: %w", err)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("make socket: %w", err)
		}
		l.SetUnlinkOnClose(false)
		file, err := l.File()
		if err := errors.Join(err, os.Chmod(path, 0o600), l.Close()); err != nil {
			return nil, fmt.Errorf("make socket: %w", err)
		}
		return file, nil
	}
}

// lockLimit is how long others may take with their sockets.
const lockLimit = 3 * time.Second

// lockSockets keeps everybody else from making and removing sockets in a directory:
// between the look whether one is served and its removal, another one of a group
// could have put a new one there.
func lockSockets(ctx context.Context, dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock sockets: %w", err)
	}
	if err := flock.Lock(ctx, int(d.Fd()), flock.Exclusive); err != nil {
		return nil, errors.Join(fmt.Errorf("lock sockets in %s: %w", dir, err), d.Close())
	}
	return func() { _ = d.Close() }, nil
}

// Served tells whether a shim accepts connections at a socket.
func Served(path string) bool {
	c, err := net.DialTimeout("unix", path, dialLimit)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// spawn starts the shim: this program, in a session of its own, with the socket
// as descriptor 3 and the log as its standard error.
func spawn(f *Flags, path string, socket *os.File, events string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	args := []string{self, "-namespace", f.Namespace, "-id", f.ID, "-address", f.Address, "-bundle", f.Bundle, "-socket", path}
	if f.Debug {
		args = append(args, "-debug")
	}
	cmd := exec.Cmd{
		Path: self, Args: args, Dir: "/", ExtraFiles: []*os.File{socket}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		Env: append(os.Environ(), "TTRPC_ADDRESS="+events, "GOMAXPROCS=2"),
	}
	if sealed, err := sealedProgram(); err == nil {
		defer sealed.Close()
		cmd.Path = sealed.Name()
	} // else it seals itself, by one start more
	if log := openLog(f.Bundle); log != nil {
		defer log.Close()
		cmd.Stderr = log
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start shim: %w", err)
	}
	return cmd.Process.Release()
}

// openLog opens the FIFO that containerd has made for the shim's log, so that
// it never is without a reader; nil if there is none.
func openLog(bundle string) *os.File {
	fd, err := unix.Open(filepath.Join(bundle, "log"), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "log")
}
