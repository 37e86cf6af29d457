package main

// The virtual machine that a cell is compared with: QEMU's smallest, Linux, and
// busybox in the memory of the guest.

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// guestInit is the first program of the guest; its word says that it runs.
const (
	guestInit = "#!/bin/busybox sh\n/bin/busybox echo " + guestWord + "\nexec /bin/busybox sleep 1000000\n"
	guestWord = "the guest is idle"
)

// guestMB is the smallest memory with which Debian's kernel for clouds starts.
const guestMB = 96

// machines are tried in turn: some hosts have a /dev/kvm in which no guest gets anywhere,
// and without one a microvm has no clock that Debian's kernel knows. The
// translator keeps what it has translated, here no more than it needs.
var machines = []struct {
	name, machine, accelerator string
	limit                      time.Duration // for the guest to start
}{
	{"QEMU microvm, KVM", "microvm", "kvm", 30 * time.Second},
	{"QEMU pc, TCG", "pc,usb=off", "tcg,tb-size=16", 10 * time.Minute}, // also where there is much else to do
}

func machineIdler(o options, dir string) *idler {
	all := map[string]*exec.Cmd{}
	d := &idler{name: nameMachine, in: plainLauncher{}, mark: dir, dirs: []string{dir}}
	initrd := filepath.Join(dir, "initrd")
	start := func(id string, machine int) error {
		console, m := filepath.Join(dir, id), machines[machine]
		c := exec.Command("/usr/bin/qemu-system-x86_64", "-M", m.machine, "-accel", m.accelerator, "-m", fmt.Sprint(guestMB),
			"-no-reboot", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-serial", "file:"+console,
			"-kernel", o.guest, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1")
		if err := c.Start(); err != nil {
			return err
		}
		all[id] = c
		return awaitWord(c.Process.Pid, console, m.limit)
	}
	chosen := 0
	d.prepare = func() error {
		busybox, err := os.ReadFile("/bin/busybox")
		if err == nil {
			err = os.WriteFile(initrd, initramfs(busybox), 0o644)
		}
		if err != nil {
			return err
		}
		if start("first", chosen) != nil {
			chosen++
		}
		d.name = fmt.Sprintf("%s, %d MB", machines[chosen].name, guestMB)
		return d.remove("first")
	}
	d.start = func(id string) (int, error) { return 0, start(id, chosen) }
	d.remove = func(id string) error { return endProcess(all[id]) }
	if o.guest == "" {
		d.why = "no kernel for the guest: -guest FILE"
	}
	for _, file := range []string{"/usr/bin/qemu-system-x86_64", o.guest} {
		if _, err := os.Stat(file); err != nil && d.why == "" {
			d.why = err.Error()
		}
	}
	return d
}

const nameMachine = "QEMU"

func awaitWord(pid int, console string, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		text, err := os.ReadFile(console)
		switch {
		case bytes.Contains(text, []byte(guestWord)):
			return nil
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return err
		case ended(pid) || time.Now().After(end):
			return fmt.Errorf("wait for the guest's %q: QEMU has ended, or %v are over; the console ends in %q", guestWord, limit, text[max(0, len(text)-300):])
		}
	}
}

// ended says whether a child that nobody has waited for yet has ended.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

// initramfs is an archive as the kernel's Documentation/driver-api/early-userspace/buffer-format.rst
// describes it ("newc").
func initramfs(busybox []byte) []byte {
	var b bytes.Buffer
	pad := func() { b.Write(make([]byte, -b.Len()&3)) }
	for i, e := range []struct {
		name         string
		mode         int
		data         []byte
		major, minor int
	}{
		{name: "bin", mode: 0o40755},
		{name: "dev", mode: 0o40755},
		{name: "dev/console", mode: 0o20600, major: 5, minor: 1},
		{name: "bin/busybox", mode: 0o100755, data: busybox},
		{name: "init", mode: 0o100755, data: []byte(guestInit)},
		{name: "TRAILER!!!"},
	} {
		b.WriteString("070701")
		for _, field := range []int{i + 1, e.mode, 0, 0, 1, 0, len(e.data), 0, 0, e.major, e.minor, len(e.name) + 1, 0} {
			fmt.Fprintf(&b, "%08x", field)
		}
		b.WriteString(e.name + "\x00")
		pad()
		b.Write(e.data)
		pad()
	}
	return b.Bytes()
}
