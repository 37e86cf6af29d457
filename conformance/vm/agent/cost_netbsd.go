package main

// Measuring what the module costs: each place is a process of its own, and
// rounds go through all of them, loading and unloading the module.

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// costFile is at the end of a path as long as many are.
const costFile = "/tmp/cost/usr/pkg/share/file"

const manyCells = 1000

// cost measures ROUNDS times and prints TAP.
func cost(module string, rounds int) error {
	if err := os.MkdirAll(costFile+"s", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(costFile, []byte("x"), 0o644); err != nil {
		return err
	}
	fmt.Println("TAP version 14\n1..1")
	c := costs{}
	for i := range rounds {
		if err := costRound(c, module); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		fmt.Printf("# round %d of %d\n", i+1, rounds)
	}
	c.write(os.Stdout)
	fmt.Println("ok 1 - the table above")
	return os.RemoveAll("/tmp/cost")
}

// costRound measures once in each place.
func costRound(c costs, module string) (err error) {
	if err := c.measure(costPlaces[0], 0); err != nil {
		return err
	}
	sys := system()
	if err := sys.load(module); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sys.unload("secmodel_cell")) }()
	cells, err := node.Open("")
	if err != nil {
		return err
	}
	var ids []kmod.ID
	defer func() {
		for _, id := range ids {
			err = errors.Join(err, cells.Destroy(id))
		}
	}()
	for i, n := range []int{1, manyCells} {
		for len(ids) < n {
			id, err := cells.Create(kmod.Spec{
				Name: "cost-" + strconv.Itoa(len(ids)), Root: "/", Profile: policy.High, Permissions: policy.Defaults(policy.High),
				Network: kmod.NetworkHost, RlimitNofile: kmod.Unlimited, RlimitAS: kmod.Unlimited, RlimitCore: kmod.Unlimited,
			})
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		if err := errors.Join(c.measure(costPlaces[1+i], 0), c.measure(costPlaces[3+i], ids[0])); err != nil {
			return err
		}
	}
	return nil
}

// measure runs a child that measures: in a cell, or on the host.
func (c costs) measure(place string, id kmod.ID) error {
	cmd := program(os.Args[0], "cost", strconv.Itoa(int(id)))
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	cmd.Env = append(cmd.Env, "GODEBUG=asyncpreemptoff=1")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("measure %s: %w: %s", place, err, &stderr)
	}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		op, number, _ := strings.Cut(lines.Text(), " ")
		ns, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return fmt.Errorf("measure %s: %w", place, err)
		}
		c.add(place, op, ns)
	}
	fmt.Println("# measured:", place) // a minute of silence is taken for a hang
	return nil
}

// costChild enters the cell, executes itself there, and measures.
func costChild(id uint32) error {
	if id == 0 {
		return measureOps()
	}
	runtime.LockOSThread()
	if err := unix.Chroot("/"); err != nil {
		return err
	}
	if err := node.Enter(id); err != nil {
		return err
	}
	return unix.Exec(os.Args[0], []string{os.Args[0], helperArg, "cost", "0"}, os.Environ())
}

func measureOps() error {
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	tiny := "/tmp/cost/tiny"
	if err := os.WriteFile(tiny, tinyProgram(), 0o755); err != nil { //nolint:gosec // executed
		return err
	}
	exec, err := stage.Exec(tiny, []string{tiny}, nil)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		op    string
		times int
		do    func() error
	}{
		{"open", 4000, func() error {
			fd, err := unix.Open(costFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}},
		{"stat", 8000, func() error {
			var st unix.Stat_t
			return unix.Stat(costFile, &st)
		}},
		{"fork", 200, func() error { return forkOnce(nil, 7) }},
		{"exec", 100, func() error { return forkOnce([]stage.Step{exec}, 0) }},
		{"bind", 2000, bindOnce},
		{"kill", 10000, func() error { return unix.Kill(os.Getpid(), 0) }}, // whom a member may signal
	} {
		for range m.times / 10 {
			if err := m.do(); err != nil {
				return fmt.Errorf("%s: %w", m.op, err)
			}
		}
		start := time.Now()
		for range m.times {
			_ = m.do()
		}
		fmt.Printf("%s %d\n", m.op, int(time.Since(start))/m.times)
	}
	return nil
}

// forkOnce makes a child of these steps and waits for it.
func forkOnce(steps []stage.Step, status int) error {
	pid, err := (&stage.Program{Steps: steps, ExitCode: 7}).Start()
	if err != nil {
		return err
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil {
		return err
	}
	if ws.ExitStatus() != status {
		return fmt.Errorf("the child ended with %#x", int(ws))
	}
	return nil
}

func bindOnce() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: 20000, Addr: [4]byte{127, 0, 0, 1}}), unix.Close(fd))
}

// tinyProgram is an executable that ends with status 0, so that executing it is
// the kernel's work only (amd64).
func tinyProgram() []byte {
	const base, code = 0x400000, 64 + 2*56
	text := []byte{0xb8, 1, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05} // exit(0)
	note := append([]byte{7, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0}, "NetBSD\x00\x00\x00\x00\x00\x00"...)
	binary.LittleEndian.PutUint32(note[20:], 900000000)
	for len(text)%4 != 0 {
		text = append(text, 0)
	}
	at := uint64(code + len(text))
	size := at + uint64(len(note))
	b := append([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, make([]byte, 9)...)
	add := func(values ...any) {
		for _, v := range values {
			b, _ = binary.Append(b, binary.LittleEndian, v)
		}
	}
	add(uint16(2), uint16(62), uint32(1), uint64(base+code), uint64(64), uint64(0), uint32(0), [6]uint16{64, 56, 2, 64, 0, 0})
	add(uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000))     // PT_LOAD
	add(uint32(4), uint32(4), at, base+at, base+at, uint64(len(note)), uint64(len(note)), uint64(4)) // PT_NOTE
	return append(append(b, text...), note...)
}
