package main

// Survivors that may be, each with the reason.

import (
	"errors"
	"fmt"
	"slices"
)

// kind is why a survivor may be. In a guard only the first two count.
type kind string

const (
	// same: what the program does is the same.
	same kind = "same"
	// second: another guard refuses the same, which is a mutant, too, and killed.
	second kind = "second"
	// words: only a text for people differs.
	words kind = "words"
)

type excuse struct {
	key  string
	kind kind
	why  string
}

// accepted are all; those of layers, registries and shims have a file of their own.
var accepted = slices.Concat(acceptedCells, acceptedImages)

var acceptedCells = []excuse{
	{
		`oci/compile.go compiler.walk omit: c.refused(path, "", "no rule for this field; ignored")`, same,
		"never reached: TestEveryFieldHasARule",
	},
	{
		`oci/devices.go compiler.netbsdDevice operand: out.Path != "" &&`, second,
		"addDevice refuses the empty path and `/dev/` alike",
	},
	{
		`oci/permissions.go compiler.recordDecisions operand: d.Capability != "" &&`, same,
		"the same",
	},
	{
		`kmod/emulator/cgroup_linux.go removeCgroup skip: if leaf == ""`, same,
		"no directory has the empty name, and rmdir(2) removes no `.`",
	},
	{
		`runtime/internal/rootfs/rootfs_linux.go Root.pivot nil: return unix.Chdir("/")`, same,
		"the thread has entered the root, and is there still",
	},
	{
		`runtime/internal/rootfs/rootfs_linux.go Root.moveRoot nil: return unix.Chdir("/")`, same,
		"the same",
	},
	{
		"kmod/emulator/bpf_linux.go hookable skip: if mount == \"\"", second,
		"usable refuses the empty path",
	},
	{
		"kmod/emulator/cgroup_linux.go makeCgroup skip: if !errors.Is(err, unix.ENOENT)", same,
		"what is there is made once more, which changes nothing",
	},
	{
		"kmod/emulator/cgroup_linux.go makeBelow operand: errors.Is(err, unix.ENOENT) &&", same,
		"what was made is there when it is made once more, and what is refused is refused again",
	},
	{
		"kmod/emulator/cgroup_linux.go removeCgroup skip: if err != nil && !noCgroup(err)", same,
		"what is above a directory in use is in use, too, up to what others have made",
	},
	{
		"kmod/emulator/enter_linux.go entry.join skip: if err != nil || !alive", second,
		"setns(2) by the descriptor fails when that process has ended: until then the pid was its own",
	},
	{
		"kmod/emulator/enter_linux.go entry.join operand: err != nil ||", second,
		"the same",
	},
	{
		"kmod/emulator/enter_linux.go entry.join operand: !alive ||", second,
		"the same",
	},
	{
		"kmod/emulator/file_linux.go readOpen boundary: done < len(b)", same,
		"nothing is read once more",
	},
	{
		"kmod/emulator/file_linux.go readNames skip: if n < 0", same,
		"all names are read in smaller parts",
	},
	{
		"kmod/emulator/file_linux.go readNames boundary: n < 0", same,
		"nobody asks for no name",
	},
	{
		"kmod/emulator/file_linux.go readNames boundary: n < 0 #2", same,
		"the same",
	},
	{
		"kmod/emulator/members_linux.go cell.busy skip: if x.First.Pid != 0", same,
		"the first process is a member, and the last to end",
	},
	{
		"kmod/emulator/members_linux.go cell.scan skip: if ns == 0", same,
		"only what has ended has no namespace, and no signal reaches it",
	},
	{
		"kmod/emulator/members_linux.go cell.scan operand: err == nil &&", same,
		"what is no number is process 0, which is not there",
	},
	{
		"kmod/emulator/members_linux.go cell.scan omit: slices.Sort(pids)", same,
		"/proc lists the processes by their numbers",
	},
	{
		"kmod/emulator/members_linux.go cell.killAll skip: if dying", same,
		"it asks for a second more, and returns the same",
	},
	{
		"kmod/emulator/members_linux.go cell.dying operand: err == nil &&", same,
		"what can't be read has ended, and is not on the list when it is asked again",
	},
	{
		"kmod/emulator/members_linux.go cell.signal operand: err != nil ||", same,
		"who has ended can't be opened, either, and gets no signal",
	},
	{
		"kmod/emulator/module_linux.go Client.is const: return c.module == m = false", same,
		"agree is asked the same, after a look whether there are cells",
	},
	{
		"kmod/emulator/proc_linux.go parseStat boundary: i < 0", same,
		"the pid comes first: no line begins with a parenthesis",
	},
	{
		"kmod/emulator/record_linux.go record.read boundary: whole < len(b)", same,
		"a file is cut to the length that it has",
	},
	{
		"kmod/emulator/seccomp_linux.go filter skip: if len(rules[nr][0].when) == 0", same,
		"judge answers the same, with more instructions",
	},
	{
		"kmod/emulator/seccomp_linux.go ranges skip: if n == 1", same,
		"a range of one is the same, with an instruction more",
	},
	{
		"kmod/emulator/sockets_linux.go cell.sockets skip: if len(owner) == 0", same,
		"the lists are read in which nothing is theirs",
	},
	{
		"kmod/emulator/state_linux.go Client.meet operand: c.is(m) ||", same,
		"agree takes the module that the client has, after a look whether there are cells",
	},
	{
		"kmod/emulator/userns_linux.go inForeground flag: unix.O_CLOEXEC in unix.O_RDONLY|unix.O_CLOEXEC", same,
		"nothing is started any more when signals are forwarded",
	},
	{
		"kmod/emulator/wait_linux.go process.wait operand: inner != nil ||", same,
		"poll(2) of one open descriptor does not fail, and who has ended is not waited for",
	},
	{
		"kmod/inroot/at.go at.openRegular operand: err == nil &&", same,
		"fstat(2) of an open file does not fail",
	},
	{
		"kmod/inroot/at.go at.readlink skip: if n == len(buf)", same,
		"no link here is that long (PATH_MAX)",
	},
	{
		"kmod/inroot/copyfile.go at.sameContent skip: if st.Size != in.Size()", same,
		"what has another size reads otherwise, too: it is not read in vain",
	},
	{
		"kmod/inroot/copytree.go copyOwner skip: if !ok", same,
		"os.Root gives nothing else on the systems here",
	},
	{
		"kmod/inroot/mode.go at.setNodeMode operand: err != nil ||", second,
		"chmod does not find the name either, and says so",
	},
	{
		"kmod/inroot/node.go Dir.MakeNode skip: case errors.Is(err, unix.EROFS)", same,
		"Linux says EEXIST of what is there, and nothing is there otherwise; NetBSD says EROFS first",
	},
	{
		"kmod/inroot/tree.go Tree.Push skip: if st.Mode&unix.S_IFMT != unix.S_IFDIR", same,
		"what is no directory is ENOTDIR before anybody looks at its mode, and not EACCES",
	},
	{
		"kmod/inroot/sync.go SyncTree skip: if all || err != nil", same,
		"on Linux each file is waited for once more",
	},
	{
		"kmod/inroot/sync.go SyncTree operand: all ||", same,
		"the same",
	},
	{
		"kmod/inroot/sync.go SyncTree operand: err != nil ||", same,
		"on Linux all of it is on the disk or an error is returned, never neither",
	},
	{
		"kmod/inroot/sync.go SyncTree nil: return syncEach(f, unix.Fsync)", same,
		"never reached on Linux; TestSyncTree calls it itself",
	},
	{
		"kmod/inroot/sync.go Tree.openAny flag: mode in mode|0o400", same,
		"it has its mode again at once",
	},
	{
		"kmod/inroot/tree.go Tree.ReadFile skip: if st.Mode&unix.S_IFMT != unix.S_IFREG", second,
		"openRegular refuses it, and opens nothing that waits or takes the terminal",
	},
	{
		"kmod/inroot/tree.go Tree.remove skip: if errors.Is(err, unix.EPERM) && t.here().clearFlags(name)", same,
		"Linux has none of these flags: clearFlags is false; NetBSD's tests have",
	},
	{
		"kmod/inroot/tree.go Tree.remove operand: errors.Is(err, unix.EPERM) &&", same,
		"the same",
	},
	{
		"kmod/inroot/tree.go Tree.remove operand: t.here().clearFlags(name) &&", same,
		"it fails as it has",
	},
	{
		"kmod/inroot/tree.go Tree.remove omit: err = t.here().unlink(name)", same,
		"never reached on Linux, the same",
	},
	{
		"kmod/inroot/tree.go Tree.remove operand: err == nil &&", same,
		"statx(2) of an open directory does not fail",
	},
	{
		"kmod/inroot/tree.go Tree.removeAll skip: if !uppermost", same,
		"what is empty is listed once more",
	},
	{
		"kmod/inroot/tree.go Tree.hoist operand: !errors.Is(err, unix.EEXIST) &&", same,
		"Linux says ENOTEMPTY; rename(2) may say either",
	},
	{
		"kmod/inroot/tree.go Tree.remove omit: t.stack[depth-1].dirty = err != nil", same,
		"a directory gets its time back before it is removed, in vain",
	},
	{
		"kmod/policy/decide.go Row.takes operand: strings.Contains(r.Action, \" \") &&", same,
		"a row of one action is compared once more, and takes longer",
	},
	{
		"kmod/stage/birth_linux.go Program.expectBirth flag: unix.PROT_READ in unix.PROT_READ|unix.PROT_WRITE", same,
		"on these machines, what can be written can be read",
	},
	{
		"kmod/stage/birth_linux.go Program.Arrange boundary: at < 0", same,
		"before the first step there is none to be moved",
	},
	{
		"kmod/stage/run.go forkRun operand: errno != 0 ||", same,
		"what fails gives -1, which is no child's 0",
	},
	{
		"kmod/sysctl/abi.go decode skip: if order == binary.ByteOrder(binary.NativeEndian) && unsafe.Sizeof(v) == uintptr(len(b))", same,
		"binary.Decode reads the same, nine times as slowly",
	},
	{
		"kmod/sysctl/abi.go decode operand: unsafe.Sizeof(v) == uintptr(len(b)) &&", same,
		"none of these structures has padding on this machine",
	},
	{
		"kmod/sysctl/claims.go client.Sockets skip: if len(owner) == 0", same,
		"lists are read in which nothing is theirs",
	},
	{
		"kmod/sysctl/client.go client.Enter skip: if n.own()", same,
		"the list of cells tells the same, and costs more the more there are",
	},
	{
		"kmod/sysctl/helper.go lowHalf skip: if bigEndian", same,
		"this machine is little endian",
	},
	{
		"kmod/sysctl/members.go client.visitKill omit: time.Sleep(pause)", same,
		"it signals more often",
	},
	{
		"kmod/sysctl/own.go client.killOwn omit: time.Sleep(pause)", same,
		"it signals more often",
	},
	{
		"kmod/sysctl/pause.go client.pause boundary: took > sleepPatience", same,
		"that one nanosecond is as good in either",
	},
	{
		"kmod/sysctl/pause.go client.pause boundary: took > c.patience", same,
		"that one nanosecond is as good in either",
	},
	{
		"kmod/sysctl/pause.go client.pause omit: time.Sleep(pause)", same,
		"it signals more often",
	},
	{
		"kmod/sysctl/reply.go className boundary: n <= math.MaxUint16", same,
		"no class has that number",
	},
	{
		"kmod/sysctl/report.go pipe.Read boundary: left <= 0", same,
		"that one nanosecond is as good in either",
	},
	{
		"oci/cellparse.go ParsePort boundary: i >= 0", second,
		"what begins with a colon is then no number, and refused as one",
	},
	{
		"oci/devices.go compiler.ordinary operand: c.emulated() &&", same,
		"elsewhere no device has a number: linuxDevice has taken it away",
	},
	{
		"oci/load.go readLimited skip: if ok", second,
		"a file's size is asked to read it at once; the loop below counts what it reads",
	},
	{
		"oci/load.go readLimited omit: if st, err := f.Stat()", second,
		"the same",
	},
	{
		"oci/load.go readLimited skip: if st.Size() > MaxConfigSize", second,
		"the same: it is refused after it was read, not before",
	},
	{
		"oci/permissions.go compiler.recordDecisions operand: d.Effect == policy.Opened &&", same,
		"only what is opened by name has no capability",
	},
	{
		"oci/permissions.go compiler.degradePermissions omit: cell.Profile = policy.High", same,
		"high opens nothing more than is open anyway, so the loop ends with it at the latest",
	},
	{
		"oci/permissions.go compiler.degradePermissions flag: base in asked|base", same,
		"where no profile fits, it is high, as set before the loop",
	},
	{
		"oci/process.go lastOfEach skip: if len(last) == len(env)", same,
		"a copy of the list is made that has the same in it",
	},
	{
		"oci/process.go compiler.rlimit boundary: exists < 0", same,
		"no row says 0",
	},
	{
		"oci/settle.go compiler.settleMaxProcesses boundary: l < cell.MaxProcesses", same,
		"of two equal limits it is the same which counts",
	},
	{
		"oci/strictjson/encode.go encoder.string skip: case c < utf8.RuneSelf", same,
		"utf8.DecodeRuneInString gives such a letter, too, and takes longer",
	},
	{
		"runtime/cell.go Runtime.owns operand: r.hasBelow(cell.Root) ||", same,
		"on Linux each state root has cells of its own",
	},
	{
		"runtime/cell.go container.killAll operand: left > 0 ||", same,
		"who is left counts, whether the first process is asked for or not",
	},
	{
		"runtime/create.go container.build omit: if err := c.holdAddresses(ctx, done, plan.Cell.Addresses)", same,
		"Linux gives a cell no addresses of its own; package network has its own tests",
	},
	{
		"runtime/create.go container.holdAddresses skip: if !c.rt.addresses.Needed(list)", same,
		"of no addresses none is held",
	},
	{
		"runtime/create.go container.holdAddresses nil: return c.rt.addresses.Drop(c.ID)", same,
		"never reached on Linux",
	},
	{
		"runtime/create.go container.holdAddresses nil: return c.rt.addresses.Hold(ctx, c.ID, list)", same,
		"never reached on Linux",
	},
	{
		"runtime/internal/exeseal/exeseal_linux.go Protect operand: err != nil ||", same,
		"without /proc, the copy can't be made either, and the error says the same",
	},
	{
		"runtime/internal/exeseal/exeseal_linux.go RefuseSelf operand: errors.Is(err, unix.ESRCH) ||", same,
		"Linux says ENOENT of who has ended",
	},
	{
		"runtime/internal/hostroot/hostroot.go Root.freeze skip: if !inroot.Within(l.dest, m.dest) || covered(l.dest, later[:i])", same,
		"the places of all later mounts are made now: those elsewhere a moment earlier, those below another mount in vain",
	},
	{
		"runtime/internal/hostroot/hostroot.go Root.freeze operand: !inroot.Within(l.dest, m.dest) ||", same,
		"what lies elsewhere is made a moment earlier",
	},
	{
		"runtime/internal/hostroot/hostroot.go Root.freeze operand: covered(l.dest, later[:i]) ||", same,
		"what lies below another mount is made in vain",
	},
	{
		"runtime/internal/hostroot/hostroot.go openSame operand: ok &&", same,
		"os.Root gives nothing else on the systems here",
	},
	{
		"runtime/internal/hostroot/unmount.go unmountPoint omit: time.Sleep(pause)", same,
		"it asks more often",
	},
	{
		"runtime/internal/launch/caller.go Caller.checkPreserved operand: err == nil &&", same,
		"the only error is EBADF, as which it counts either way",
	},
	{
		"runtime/internal/launch/pidfile.go writeTo flag: unix.O_NOCTTY in os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY", same,
		"Linux gives no terminal to who opens it for writing only",
	},
	{
		"runtime/internal/launch/release_linux.go awaitHangup boundary: left <= 0", same,
		"it ends a moment later",
	},
	{
		"runtime/internal/process/calm_linux.go var skip: if errno != 0", same,
		"prctl(2) does not fail at this",
	},
	{
		"runtime/internal/process/calm_linux.go var operand: tid != 0 &&", same,
		"there is no thread 0 to write to",
	},
	{
		"runtime/internal/process/interpreter.go elfInterpreter boundary: len(head) < ident+4", same,
		"what is as short as that is too short for the rest of the header",
	},
	{
		"runtime/internal/process/interpreter.go elfInterpreter boundary: offset > uint64(len(head))", same,
		"nothing is behind the end, which the next part asks",
	},
	{
		"runtime/internal/process/process.go MemberSteps omit: steps = append(steps, earlyUserSteps(p)...)", same,
		"Linux has none of these; NetBSD's tests have",
	},
	{
		"runtime/internal/process/process.go kernelLimit skip: if v == kmod.Unlimited", same,
		"both are 2^64-1 on Linux",
	},
	{
		"runtime/internal/process/process.go callersNofile operand: !ok ||", same,
		"Linux has said it",
	},
	{
		"runtime/internal/process/stdio.go givable operand: err == nil &&", same,
		"fcntl(2) of an open descriptor does not fail at this",
	},
	{
		"runtime/internal/process/thread.go OnThread omit: goruntime.UnlockOSThread()", same,
		"Go's runtime keeps the main thread, whether a goroutine has ended with it or not",
	},
	{
		"runtime/internal/process/thread_linux.go var operand: err != nil ||", same,
		"a name that is no number gives 0, which is no process",
	},
	{
		"runtime/internal/process/thread_linux.go var operand: its.Dev != own.Dev ||", same,
		"all namespaces are of one file system",
	},
	{
		"runtime/internal/rootfs/devices_linux.go Root.makeDevice nil: return f.Dir.CheckNode(d.Path, node)", second,
		"hostNode mounts nothing else than that device",
	},
	{
		"runtime/internal/rootfs/mounts_linux.go attachEmpty boundary: *empty < 0", same,
		"descriptor 0 is open, so none is made that is 0",
	},
	{
		"runtime/internal/rootfs/mounts_linux.go hostNode operand: err != nil ||", same,
		"fstat(2) of an open file does not fail",
	},
	{
		"runtime/internal/rootfs/rootfs_linux.go Root.bindTarget operand: err != nil ||", same,
		"fstat(2) of an open file does not fail",
	},
	{
		"runtime/namespaces_linux.go checkNamespace flag: unix.O_CLOEXEC in unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC", second,
		"a process that is forked meanwhile closes all that it is not to inherit",
	},
	{
		`oci/mounts.go var row: mountKinds: {name: "union", fatal: "union mounts lose writes on NetBSD; use a copy of the ro`, second,
		"a type that is not in the table is refused",
	},
}

func acceptedAs(key string) (excuse, bool) {
	for _, e := range accepted {
		if e.key == key {
			return e, true
		}
	}
	return excuse{}, false
}

// check says what is wrong with the table: what is not there any more, is there
// twice, has no reason, or is no reason for a guard.
func check(all []mutant, list []excuse) (faults []error) {
	guards := make(map[string]bool, len(all))
	for _, m := range all {
		guards[m.key] = m.target.guard
	}
	seen := map[string]bool{}
	for _, e := range list {
		guard, there := guards[e.key]
		switch {
		case !there:
			faults = append(faults, fmt.Errorf("accepted.go: no such mutant any more: %s", e.key))
		case seen[e.key]:
			faults = append(faults, fmt.Errorf("accepted.go: twice: %s", e.key))
		case e.why == "":
			faults = append(faults, fmt.Errorf("accepted.go: no reason: %s", e.key))
		case guard && e.kind != same && e.kind != second:
			faults = append(faults, errors.New("accepted.go: a guard of isolation has no survivor of this kind: "+e.key))
		}
		seen[e.key] = true
	}
	return faults
}
