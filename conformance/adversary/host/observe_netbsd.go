package host

// What the host sees: everything that a cell must not change, as names and
// values.

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// view is what was seen.
type view map[string]string

// changes are the names whose values differ.
func (v view) changes(now view) (names []string) {
	for name, value := range now {
		if v[name] != value {
			names = append(names, name)
		}
	}
	for name := range v {
		if _, there := now[name]; !there {
			names = append(names, name)
		}
	}
	// Of one that has ended there is nothing else to say.
	for _, p := range slices.Clone(names) {
		if process, life := strings.CutSuffix(p, ".life"); life {
			names = slices.DeleteFunc(names, func(n string) bool { return n != p && strings.HasPrefix(n, process+".") })
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// observer looks at the machine; the victims change.
type observer struct {
	settings []setting
	ipc      *objects
	file     string
}

// newObserver finds the settings that rest while nothing happens.
func newObserver(ipc *objects, file string) *observer {
	o := &observer{settings: settings(nil, ""), ipc: ipc, file: file}
	for range 3 {
		before := o.values()
		time.Sleep(200 * time.Millisecond)
		after := o.values()
		o.settings = slices.DeleteFunc(o.settings, func(s setting) bool { return before["sysctl."+s.name] != after["sysctl."+s.name] })
	}
	return o
}

func (o *observer) values() view {
	v := view{}
	for i := range o.settings {
		v["sysctl."+o.settings[i].name] = o.settings[i].value()
	}
	return v
}

// look sees what a call on a process or an object changes.
func (o *observer) look(processes map[string]int64) view {
	v := view{}
	for name, pid := range processes {
		if name != nobody {
			maps.Copy(v, process(name, int(pid)))
		}
	}
	maps.Copy(v, o.ipc.look())
	return v
}

// survey sees what takes longer to look at: the machine, and what processes
// have of settings.
func (o *observer) survey(processes map[string]int64) view {
	v := o.values()
	for name, pid := range processes {
		if name != nobody {
			v[name+".limits"] = limits(int(pid))
		}
	}
	v["machine.clock"] = clock()
	v["machine.mounts"] = mounts()
	v["machine.interfaces"] = interfaces()
	v["machine.console"] = fileState("/dev/console")
	v["machine.null"] = fileState(os.DevNull)
	v["machine.hostfile"] = fileState(o.file)
	return v
}

// Offsets in struct kinfo_proc2.
const (
	procSize                                   = 680
	procFlag, procParent, procSession          = 112, 120, 124
	procGroup, procUser, procTrace, procSignal = 128, 136, 288, 296
	procState, procNice, procLogin             = 360, 363, 408
)

const (
	stateStopped, stateZombie = 4, 5
	flagTraced                = 0x800
	signalChild               = 20
)

// process is what others could change of one.
func process(name string, pid int) view {
	v := view{}
	const byPid = 1
	b, err := unix.SysctlRaw("kern.proc2", byPid, pid, procSize, 1)
	if err != nil || len(b) != procSize || b[procState] == stateZombie || b[procSignal+1]&1 != 0 { // SIGKILL
		v[name+".life"] = "ended"
		return v
	}
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	v[name+".life"] = "alive"
	if b[procState] == stateStopped {
		v[name+".life"] = "stopped"
	}
	v[name+".group"] = fmt.Sprint(word(procSession), word(procGroup))
	v[name+".user"] = fmt.Sprintf("%x %q", b[procUser:procUser+16], b[procLogin:procLogin+24])
	v[name+".trace"] = fmt.Sprint(word(procTrace), word(procFlag)&flagTraced, word(procParent))
	v[name+".nice"] = fmt.Sprint(b[procNice])
	signals := slices.Clone(b[procSignal : procSignal+16])
	signals[(signalChild-1)/8] &^= 1 << ((signalChild - 1) % 8)
	v[name+".signals"] = fmt.Sprintf("%x", signals)
	v[name+".scheduling"] = scheduling(pid)
	return v
}

// Numbers of system calls.
const sysGetparam, sysGetaffinity = 347, 349

// scheduling is the policy, the priority and the processors of the first thread
// (number 0; others have numbers of their own in the whole system).
func scheduling(pid int) string {
	var policy, priority int32
	var set [32]byte
	_, _, e1 := unix.Syscall6(sysGetparam, uintptr(pid), 0, uintptr(unsafe.Pointer(&policy)), uintptr(unsafe.Pointer(&priority)), 0, 0)
	_, _, e2 := unix.Syscall6(sysGetaffinity, uintptr(pid), 0, uintptr(len(set)), uintptr(unsafe.Pointer(&set)), 0, 0)
	if policy == 0 {
		priority = 0 // SCHED_OTHER: the kernel's own, which changes all the time
	}
	return fmt.Sprint(policy, priority, e1, set, e2)
}

// limits are the resource limits, the name of a core, and when to stop.
func limits(pid int) string {
	const ctlProc, core, limit, stopFork, stopExec, stopExit, kinds = 10, 1, 2, 3, 4, 5, 12
	var all []string
	for _, node := range []int32{core, stopFork, stopExec, stopExit} {
		s := setting{mib: []int32{ctlProc, int32(pid), node}}
		all = append(all, s.value())
	}
	for kind := int32(1); kind <= kinds; kind++ {
		for half := int32(1); half <= 2; half++ {
			s := setting{mib: []int32{ctlProc, int32(pid), limit, kind, half}}
			all = append(all, s.value())
		}
	}
	return fmt.Sprintf("%q", all)
}

// Clocks of clock_gettime(2).
const clockRealtime, clockMonotonic = 0, 3

// clock is where the time of day began to count, in units that are larger than
// what the two calls are apart.
func clock() string {
	var day, up unix.Timespec
	_ = unix.ClockGettime(clockRealtime, &day)
	_ = unix.ClockGettime(clockMonotonic, &up)
	const unit = int64(5 * time.Second)
	return fmt.Sprint((unix.TimespecToNsec(day) - unix.TimespecToNsec(up) - clockBase) / unit)
}

// clockBase puts the time of start into the middle of a unit.
var clockBase = func() int64 {
	var day, up unix.Timespec
	_ = unix.ClockGettime(clockRealtime, &day)
	_ = unix.ClockGettime(clockMonotonic, &up)
	return unix.TimespecToNsec(day) - unix.TimespecToNsec(up) - int64(100*time.Hour+2500*time.Millisecond)
}()

// mounts are the mounted file systems and their flags.
func mounts() string {
	const noWait = 2
	list := make([]unix.Statvfs_t, 64)
	n, err := unix.Getvfsstat(list, noWait)
	if err != nil {
		return err.Error()
	}
	var all []string
	for i := range list[:n] {
		all = append(all, fmt.Sprint(unix.ByteSliceToString(list[i].Mntonname[:]), list[i].Flag))
	}
	return fmt.Sprint(all)
}

func interfaces() string {
	list, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, i := range list {
		addrs, _ := i.Addrs()
		all = append(all, fmt.Sprint(i.Name, i.Flags, i.MTU, addrs))
	}
	return fmt.Sprint(all)
}

// fileState is what a file is, without the times of reading and of a device's
// writing.
func fileState(path string) string {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err.Error()
	}
	content := ""
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		b, err := os.ReadFile(path)
		content = fmt.Sprint(string(b), err)
	}
	return fmt.Sprint(st.Mode, st.Uid, st.Gid, st.Size, st.Flags, st.Nlink, content)
}
