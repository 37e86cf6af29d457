package main

// The machine: QEMU's command line, and its process.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// machine is what is started.
type machine struct {
	qemu    string // the program
	kvm     bool
	icount  bool // the guest's time is the instructions that it has executed
	cpus    int
	memory  int    // MB
	loader  string // boots kernel; both empty: the first disk boots by itself
	kernel  string
	root    string // the kernel's name for its root device
	flags   string // of boot(8), such as -v
	disks   []disk // on the IDE bus: wd0, wd1
	first   string // the file of the disk protocol.FirstStep; "" = the guest boots once
	console string // "mon:stdio", or what else -serial takes
	report  string // a local socket to connect to
}

type disk struct {
	path string
	keep bool // the file must not change
}

// cpuModel is the same with and without KVM, and as old as any amd64 kernel.
const cpuModel = "qemu64,-svm"

func (m *machine) args() []string {
	accel := "tcg"
	if m.kvm {
		accel = "kvm"
	}
	args := []string{
		"-machine", "pc,accel=" + accel, "-cpu", cpuModel, "-smp", m.smp(), "-m", strconv.Itoa(m.memory),
		"-display", "none", "-nic", "none", "-monitor", "none", "-no-reboot", "-device", "virtio-rng-pci",
		"-serial", m.console, "-serial", "unix:" + comma(m.report),
	}
	if m.icount {
		args = append(args, "-icount", "shift=0,sleep=off")
	}
	if m.kernel != "" {
		line := strings.TrimSpace("root=" + m.root + " " + m.flags)
		args = append(args, "-kernel", m.loader, "-initrd", comma(m.kernel), "-append", line)
	}
	for i, d := range m.disks {
		opts := fmt.Sprintf("file=%s,if=ide,index=%d,media=disk,format=%s,cache=unsafe", comma(d.path), i, d.format())
		if d.keep {
			opts += ",snapshot=on"
		}
		args = append(args, "-drive", opts)
	}
	return args
}

// firstDisk is the size of that disk, in bytes.
const firstDisk = 1 << 20

// begin tells the guest with which step of the plan it begins.
func (m *machine) begin(step int) error {
	if m.first == "" {
		return nil
	}
	b := make([]byte, firstDisk)
	copy(b, strconv.Itoa(step)+"\n")
	if err := os.WriteFile(m.first, b, 0o600); err != nil {
		return fmt.Errorf("write first step: %w", err)
	}
	return nil
}

// smp gives each CPU a socket of its own: SeaBIOS lists one CPU for each in the
// tables of the time before ACPI.
func (m *machine) smp() string { return fmt.Sprintf("%[1]d,sockets=%[1]d,cores=1,threads=1", m.cpus) }

// comma keeps a comma in a path from ending an option of QEMU's.
func comma(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// format must be said: QEMU does not guess raw.
func (d disk) format() string {
	f, err := os.Open(d.path)
	if err != nil {
		return "raw"
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err == nil && bytes.Equal(magic, []byte("QFI\xfb")) {
		return "qcow2"
	}
	return "raw"
}

// findQEMU finds the emulator, and says how to get it.
func findQEMU() (string, error) {
	path, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return "", fmt.Errorf("find QEMU: %w (on Debian: apt-get install qemu-system-x86)", err)
	}
	return path, nil
}

// kvmUsable wants the processor's own virtualization too: a /dev/kvm without it
// (pvm, in a cloud's guest) runs only kernels made for it, and others silently
// not at all.
func kvmUsable() bool {
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !virtualizes(string(cpus)) {
		return false
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// virtualizes looks into the text of /proc/cpuinfo.
func virtualizes(cpuinfo string) bool {
	for line := range strings.Lines(cpuinfo) {
		if name, flags, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "flags" {
			have := strings.Fields(flags)
			return slices.Contains(have, "vmx") || slices.Contains(have, "svm")
		}
	}
	return false
}

// running is a started machine.
type running struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser // the console's keyboard
	lines  chan event     // closed when the machine is gone
	stderr bytes.Buffer
}

// event is what came from one of the two serial ports.
type event struct {
	port bool // the report, not the console
	data []byte
}

// start starts the machine; dir takes the socket of the report.
func (m *machine) start(ctx context.Context, dir string) (*running, error) {
	m.console, m.report = "mon:stdio", filepath.Join(dir, "report.socket")
	l, err := net.Listen("unix", m.report)
	if err != nil {
		return nil, fmt.Errorf("listen for report: %w", err)
	}
	r := &running{cmd: exec.CommandContext(ctx, m.qemu, m.args()...), lines: make(chan event, 64)}
	r.cmd.Stderr = &r.stderr
	r.cmd.WaitDelay = time.Second
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		r.stdin, err = r.cmd.StdinPipe()
	}
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start QEMU: %w", err), l.Close())
	}
	done := make(chan struct{}, 2)
	go func() {
		r.read(out, false)
		done <- struct{}{}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
			r.read(conn, true)
		}
	}()
	go func() {
		<-done        // the console ends with QEMU
		_ = l.Close() // in case it never connected
		<-done
		close(r.lines)
	}()
	return r, nil
}

func (r *running) read(from io.Reader, port bool) {
	for {
		buf := make([]byte, 4096)
		n, err := from.Read(buf)
		if n > 0 {
			r.lines <- event{port, buf[:n]}
		}
		if err != nil {
			return
		}
	}
}

// sendBreak are the keys by which QEMU's mon:stdio breaks the serial line.
const sendBreak = "\x01b"

// typed sends keys to the console.
func (r *running) typed(s string) { _, _ = io.WriteString(r.stdin, s) }

// stop ends the machine, if it has not ended, and says what QEMU had to say.
func (r *running) stop() error {
	_ = r.cmd.Process.Kill()
	for range r.lines { // the readers must not block
		continue
	}
	err := r.cmd.Wait()
	msg := strings.TrimSpace(r.stderr.String())
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && !exit.Exited() {
		err = nil // by our signal
	}
	if err != nil {
		return fmt.Errorf("run QEMU: %w: %s", err, msg)
	}
	return nil
}
