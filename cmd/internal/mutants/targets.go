package main

// Which sources are changed, and which tests should notice.

import "strings"

// test is a part of the tests, for go test.
type test struct {
	packages string
	run      string // only those that match; empty = all
	skip     string // not those that match; empty = none
}

func (t test) String() string {
	if t.skip != "" {
		return t.packages + " without " + t.skip
	}
	return strings.TrimSpace(t.packages + " " + t.run)
}

// target is a group of sources with the same tests, the quickest first.
type target struct {
	files string // patterns from the module's root, with blanks between
	guard bool   // it keeps a cell apart from the host and from others
	tests []test
	// judged: every mutant was tried, and accepted.go has all that survived. The
	// others are run when -run or -all asks for them.
	judged bool
}

// Tests that several targets share.
var (
	tables  = test{packages: "./kmod/emulator", run: "Filter(Answers|s)|LinuxOnly|Architectures|Every(C|G)|TooMany|NoneCloses|Line|Decode|Parse|Version|Flow|FilesAre|OddCg|OfAPid|ThatEnds|SinceBoot|Namespaces$"}
	cells   = test{packages: "./kmod/emulator", skip: "CostIsFlat|KilledWriters|ManyClients|EveryCut|^Fuzz"}
	counted = test{packages: "./kmod/emulator", run: "Cgroup|Limit|Usage|Parse(Member|CPU)|Sockets|TestWait|Features|Pause|OnTheWayIn|TestNamespaces$"}
	// shelf are those of the table of cells, and of where a cell is.
	shelf = test{packages: "./kmod/emulator", run: "TestLine|Decode|Parse(Header|Record|Module)|AnotherVersions|Remains|FileThatStays|ForeignFiles|TestDraft|StaysSmall|CreateRefuses|OpenRefuses|NotEnforced|NotReused|Exclusive|AnotherBoots|TestMembers$|CgroupsPath|HalfMade|^TestPublished|ModuleOfARoot|EveryCut|ManyClients|SmallFiles|NamesInParts|Descriptors$|TestLocks|RecordOfACell|NewRecord|LineWithoutRoom|NextID|LostHeader|DyingCell|PartsOfPorts|UsedCgroups|ThreadedCgroup|ChosenPlaces|LimitedCells|CountersAt|WithoutDevices|DevicesThat"}
	// inProcess are tests of the lifecycle that make their containers themselves.
	inProcess = test{packages: "./runtime", run: inProcessTests}
	// programs are those, too, and of what create and exec make a process of.
	programs = test{packages: "./runtime", run: inProcessTests + "|WhatAProcessIs|LimitsOfExec|SocketsAreTold|ExecThatFails|CreateThatCannot|StaysWithout|FailingStartIs|HooksOfAFailed"}
)

const inProcessTests = "^TestHostsRoot|NoDescriptorReaches|^TestStreams$|NoDirectoryAsStream|^TestTerminal$|^TestProcess$|KillAllOfStopped|^TestNofile$|WarnedOnce|^TestFeatures$|RecoverBesideACreate|WhoseCell|WithoutEmbed" +
	"|CellIsTold|CellsOfOthers|^TestKillAll$|KillMembers|^TestPatience$|DestroyByName|^TestOwner|NamespacesAre|FailedCreate|RecordComes|^TestRefused$|NoCgroup|IsNoNamespace|ExecRefuses|ExecStays|UnreadWarning"

// slowLayers are the tests of layers that take long and look at other sources.
const slowLayers = "Umoci|Holes|Swapped|Huge|Canonical|Ends|^Fuzz"

var targets = []target{
	{files: "runtime/exec.go runtime/cell_linux.go runtime/create.go runtime/cell.go runtime/namespaces_linux.go", guard: true, judged: true, tests: []test{inProcess}},
	{
		files: "runtime/internal/process/*.go",
		guard: true, judged: true, tests: []test{{packages: "./runtime/internal/process"}},
	},
	{
		files: "runtime/internal/launch/create.go runtime/internal/launch/exec.go runtime/internal/launch/foreground.go",
		guard: true, judged: true, tests: []test{{packages: "./runtime/internal/launch"}, programs},
	},
	{
		files: "runtime/internal/launch/caller.go runtime/internal/launch/streams.go runtime/internal/launch/pidfile.go runtime/internal/launch/release*.go",
		guard: true, judged: true, tests: []test{{packages: "./runtime/internal/launch"}},
	},
	{
		files: "runtime/internal/rootfs/*.go runtime/internal/devices/*.go runtime/internal/exeseal/*.go",
		guard: true, judged: true, tests: []test{{packages: "./runtime/internal/rootfs ./runtime/internal/devices ./runtime/internal/exeseal"}},
	},
	{
		files: "runtime/internal/hostroot/mountplan.go runtime/internal/hostroot/mountargs.go runtime/internal/hostroot/hostroot.go runtime/internal/hostroot/hostfiles.go runtime/internal/hostroot/unmount.go runtime/internal/hostroot/crowd.go",
		guard: true, judged: true, tests: []test{{packages: "./runtime/internal/hostroot"}},
	},
	{
		files: "oci/cell.go oci/cellparse.go oci/compile.go oci/devices.go oci/exec.go oci/linux.go oci/load.go oci/mountopts.go oci/mounts.go oci/permissions.go oci/process.go oci/settle.go",
		guard: true, judged: true, tests: []test{{packages: "./oci"}},
	},
	{files: "kmod/signame/signame.go", judged: true, tests: []test{{packages: "./kmod/signame"}}},
	{files: "oci/near.go oci/strictjson/*.go", guard: true, judged: true, tests: []test{{packages: "./oci/strictjson ./oci"}}},
	{files: "kmod/inroot/*.go", guard: true, judged: true, tests: []test{{packages: "./kmod/inroot", skip: "Race|Swapped|Deep|LinkLimit$|^Fuzz"}, {packages: "./kmod/inroot"}}},
	{files: "kmod/policy/*.go", guard: true, judged: true, tests: []test{{packages: "./kmod/policy ./kmod/policy/gen"}}},
	{files: "kmod/stage/*.go", guard: true, judged: true, tests: []test{{packages: "./kmod/stage"}}},
	{ // what encloses a cell
		files: "kmod/emulator/seccomp_linux.go kmod/emulator/table_linux.go kmod/emulator/sys_linux_amd64.go kmod/emulator/caps_linux.go kmod/emulator/seal_linux.go kmod/emulator/enter_linux.go kmod/emulator/devices_linux.go kmod/emulator/members_linux.go kmod/emulator/proc_linux.go kmod/emulator/spec_linux.go",
		guard: true, judged: true, tests: []test{tables, cells, {packages: "./kmod/emulator"}},
	},
	{ // cells without root
		files: "kmod/emulator/userns_linux.go",
		guard: true, judged: true, tests: []test{{packages: "./kmod/emulator", run: "UserNamespace"}},
	},
	{ // ports and addresses
		files: "kmod/emulator/bindprog_linux.go kmod/emulator/bind_linux.go kmod/emulator/bpf_linux.go kmod/emulator/ports_linux.go",
		guard: true, judged: true, tests: []test{{packages: "./kmod/emulator", run: "BindPrograms|Rules|Hook"}, cells, {packages: "./kmod/emulator"}},
	},
	{ // the table of cells
		files: "kmod/emulator/emulator_linux.go kmod/emulator/state_linux.go kmod/emulator/record_linux.go kmod/emulator/line_linux.go kmod/emulator/file_linux.go kmod/emulator/places_linux.go kmod/emulator/share_linux.go kmod/emulator/module_linux.go",
		guard: true, judged: true, tests: []test{shelf, {packages: "./kmod/emulator", skip: shelf.run + "|UserNamespace|Filter|I386|^Fuzz"}},
	},
	{ // what is counted, limited and waited for
		files: "kmod/emulator/usage_linux.go kmod/emulator/pids_linux.go kmod/emulator/cgroup_linux.go kmod/emulator/freeze_linux.go kmod/emulator/wait_linux.go kmod/emulator/features_linux.go kmod/emulator/sockets_linux.go",
		guard: true, judged: true, tests: []test{counted},
	},
	{files: "kmod/sysctl/*.go", judged: true, tests: []test{{packages: "./kmod/sysctl"}}},
	{
		files: "image/layer/apply.go image/layer/entry.go image/layer/metadata.go image/layer/owner.go image/layer/pathset.go image/layer/flags.go image/layer/stream.go image/layer/rootless.go image/layer/tolerate.go",
		guard: true, judged: true, tests: []test{{packages: "./image/layer", skip: slowLayers + "|Attacks$|Lies$|Changes$|Rootless|OddLayers|Implied|Limits|Misnamed|Memory|InTurn"}, {packages: "./image/layer", skip: slowLayers}},
	},
	{
		files: "image/registry/auth.go image/registry/challenge.go image/registry/registry.go image/registry/transport.go image/registry/fetch.go image/registry/signatures.go",
		guard: true, judged: true, tests: []test{{packages: "./image/registry", skip: "Stall|PushTriedAgain|RefusedForNow|PartAndRange|Pull|Several|Attacks|BadTags|TestCredentials|TestLogin|WhereLogin|Requests|TokenRefused|^Fuzz"}},
	},
	{files: "image/reference/*.go", guard: true, judged: true, tests: []test{{packages: "./image/reference"}}},
	{
		files: "image/manifest/*.go", guard: true, judged: true,
		tests: []test{{packages: "./image/manifest", skip: "Bombs|CostOfDocuments|ManyPlatforms|Large|TwoPlatforms|Selection|Confusion|^Fuzz"}},
	},
	{files: "image/trust/*.go", guard: true, judged: true, tests: []test{{packages: "./image/trust", skip: "^Fuzz"}, {packages: "./image/trust"}}},
	{
		files: "image/bundle/spec.go image/bundle/user.go image/bundle/place.go",
		guard: true, judged: true, tests: []test{
			{packages: "./image/bundle", run: "CheckConfig|RuntimeSpec|Environment|^TestPorts|LookupUser|Labels|Mode|NotEmpty|Descriptor|NothingElse|LinkAndOwner|IsOurs|CannotBeMade|RemoveFiles|RemoveDeep"},
			{packages: "./image/bundle", skip: "Umoci|Buildah|Oddities|Diff|Limited|^Fuzz"},
		},
	},
	{files: "shim/mounts/*.go", guard: true, judged: true, tests: []test{{packages: "./shim/mounts"}}},
}
