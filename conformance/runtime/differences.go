package runtime

// What is known to differ, and why. The versions are Debian 12's: runc 1.1.5
// and crun 1.8.1, which implement runtime-spec 1.0.2 and 1.0.0.

import "github.com/netbsd-cells/runcell/conformance/harness"

// Reasons that both share.
const (
	fifoFirst     = "start returns once the process is let go; whether its startContainer hooks and its execve succeed is not reported"
	rlimitTwice   = "duplicates are not checked, the last one wins"
	lateCgroups   = "removing a container's cgroups right after its end fails" + harness.Sometimes
	killedCgroups = "a create killed before its state is written leaves its cgroups, which delete can't know" + harness.Sometimes
	fewerFDs      = "the caller's descriptors are not counted: the program gets what is there"
	ownMasks      = "each path is mounted upon by itself, whatever it is and how often it is given"
	noEvents      = "there is no events command"
	diesAtOnce    = "it dies of the signal, or waits for the hook; nothing is taken back"
	hookDies      = "it waits for the startContainer hook whatever comes"
	evenIgnored   = "every signal is caught and passed on, also one that the caller ignores"
	dialPath      = "the socket is dialled by its path, which sun_path limits"
)

var differences = harness.Expected{
	// On Linux runcell emulates NetBSD, and does not grow what NetBSD lacks.
	"runcell": {
		"process/oom-score":    "NetBSD has no out-of-memory score; a warning says so",
		"process/hostname":     "NetBSD has one host name for all cells; the variable HOSTNAME is set, and a warning says so",
		"process/capabilities": "capabilities become kauth permissions; those that no kauth request corresponds to, such as CAP_DAC_OVERRIDE, stay, and a note says so",
	},
	// The same on a NetBSD kernel with secmodel_cell.
	"runcell-netbsd": {
		"paths/masked-file": "NetBSD mounts on directories only: create refuses to hide a single file, and says what can be done",
	},
	"runc": {
		"pid-file/device":                  "whatever is there is replaced",
		"paths/masked-root":                ownMasks,
		"paths/masked-twice":               ownMasks,
		"state/while-executing":            "a process whose record is not read at once counts as stopped" + harness.Sometimes,
		"process/preserve-fds-missing":     fewerFDs,
		"escape/null-device":               "exec keeps the caller's null device",
		"create/killed":                    killedCgroups,
		"config/trailing":                  "the decoder stops after the first JSON value",
		"config/no-version":                "ociVersion is not checked",
		"config/bad-version":               "ociVersion is not checked",
		"config/next-major-version":        "ociVersion is not checked",
		"config/no-root-path":              "an empty path means the bundle; mount points are made in it",
		"config/double-rlimit":             rlimitTwice,
		"list/empty-json":                  "prints null",
		"hooks/state-poststart":            "poststart hooks run at the end of create",
		"hooks/order":                      "poststart hooks run at the end of create",
		"hooks/points":                     "poststart hooks run at the end of create",
		"hooks/poststart-fails":            "poststart hooks run at the end of create; spec 1.3 made their failure fatal",
		"hooks/startContainer-fails-start": fifoFirst,
		"hooks/poststop-fails":             "the first poststop hook that fails ends the list",
		"hooks/no-env":                     "createContainer hooks without env inherit the init process's, which is the container's",
		"hooks/timeout-unread":             "start returns before the hook has ended",
		"signals/run":                      "SIGWINCH is for the caller's terminal, and is not passed on without one",
		"signals/exec":                     "SIGWINCH is for the caller's terminal, and is not passed on without one",
		"signals/ignored":                  evenIgnored,
		"signals/create-TERM":              diesAtOnce,
		"signals/run-HUP":                  diesAtOnce,
		"signals/run-INT":                  diesAtOnce,
		"signals/run-TERM":                 diesAtOnce,
		"signals/run-start":                hookDies,
		"log/debug":                        "start, kill and delete log nothing",
		"hooks/env-not-containers":         "createContainer hooks without env inherit the init process's, which is the container's",
		"hooks/descriptors":                "createContainer hooks inherit the init process's descriptors",
		"process/not-a-program":            fifoFirst,
		"dev/symlinked-in-image":           "links such as /dev/fd are made through the image's symlink",
		"dev/symlinked-no-mount":           "links such as /dev/fd are made through the image's symlink",
		"mounts/tmpfs":                     "the mode of the directory mounted upon overrides the mode option",
		"console/long-path":                dialPath,
		"concurrency/same-id":              "one that fails can remove the state of the one that succeeds" + harness.Sometimes,
		"concurrency/starts":               "a start that finds the container about to run can wait for ever" + harness.Sometimes,
		"concurrency/list":                 "a container that goes while the directory is read is an error" + harness.Sometimes,
		"escape/mount-destination":         lateCgroups,
		"kill/at-once":                     lateCgroups,
		"exec/process":                     "the umask of --process is not applied",
	},
	"crun": {
		"callers/buildah-interrupted":        "kill of a container that has just ended is an error" + harness.Sometimes,
		"ps/stopped":                         "it crashes",
		"process/descriptors-let-go":         "the caller's other descriptors stay open until start",
		"process/home-empty":                 "an empty HOME stays",
		"process/home-unknown":               "HOME is left out",
		"exec/home":                          "HOME of a user that the container does not know is left out",
		"process/null-not-given":             "exec gives the null device to the user",
		"process/rlimit-fsize":               "create fails without a word: the limit counts for its own files",
		"process/input-not-given":            "descriptors 0 to 2 are given to the user whatever they are",
		"mounts/proc-twice":                  "a proc mount must be on a directory of the root's top",
		"paths/readonly-root":                ownMasks,
		"paths/masked-root":                  ownMasks,
		"paths/masked-twice":                 ownMasks,
		"process/preserve-fds-missing":       fewerFDs,
		"escape/null-device":                 "exec keeps the caller's null device",
		"create/killed":                      killedCgroups,
		"create/id-space":                    "ids are checked for slashes only",
		"config/no-args":                     "args are not checked before start",
		"config/args-string":                 "a value of the wrong type counts as missing",
		"config/relative-cwd":                "a relative cwd is taken as relative to /",
		"config/double-rlimit":               rlimitTwice,
		"config/double-namespace":            "duplicates are not checked",
		"list/table":                         "the columns are called NAME and BUNDLE PATH",
		"features/accepted-version":          "the features command came with a later version",
		"features/hooks":                     "the features command came with a later version",
		"kill/unknown-id":                    "the message is that of open(2) on the state file",
		"kill/unknown-signal":                "an unknown signal counts as signal 0",
		"delete/unknown-id":                  "the message is that of open(2) on the state directory",
		"hooks/state-prestart":               "status is created instead of creating",
		"hooks/state-createRuntime":          "status is created instead of creating",
		"hooks/state-createContainer":        "status is created instead of creating, pid is 0",
		"hooks/state-startContainer":         "status is starting, pid is 0, bundle is /",
		"hooks/createRuntime-fails-poststop": "poststop hooks do not run after a failed create",
		"hooks/startContainer-fails-start":   fifoFirst,
		"hooks/poststart-fails":              "a failing poststart hook is logged; spec 1.3 made its failure fatal",
		"hooks/timeout-zero":                 "a timeout of zero means none",
		"hooks/timeout-unread":               "start returns before the hook has ended",
		"hooks/poststop-fails-warning":       "the failure of a poststop hook is shown nowhere",
		"process/listen-fds":                 "LISTEN_FDS itself does not reach the program, the descriptors do",
		"process/listen-fds-of-another":      "LISTEN_PID is not looked at",
		"signals/ignored":                    evenIgnored,
		"signals/create-TERM":                diesAtOnce,
		"signals/run-HUP":                    diesAtOnce,
		"signals/run-INT":                    diesAtOnce,
		"signals/run-TERM":                   diesAtOnce,
		"signals/run-start":                  hookDies,
		"console/exec-background":            "the last output can be lost" + harness.Sometimes,
		"signals/background":                 "delete --force fails when run removes its container at the same time" + harness.Sometimes,
		"log/debug":                          "nothing is logged at that level",
		"hooks/order":                        "start lets the process go and runs poststart hooks beside startContainer hooks" + harness.Sometimes,
		"process/cwd-escape":                 "vulnerable as in CVE-2024-21626: descriptors of the caller are closed after chdir",
		"process/not-a-program":              fifoFirst,
		"pid-file/relative":                  "a relative path is relative to the bundle",
		"pid-file/atomic":                    "the file is overwritten in place",
		"pid-file/symlink":                   "the file is overwritten through the link",
		"console/name":                       "the message is one space",
		"console/socket-without-terminal":    "the socket is ignored",
		"events/stats":                       noEvents,
		"events/stream":                      noEvents,
		"update/pids":                        noEvents,
		"cgroup/path":                        "the directory in the v2 hierarchy beside v1 stays" + harness.Sometimes,
		"callers/empty-environment":          "the features command came with a later version",
		"pause/kill":                         "cgroup v1 keeps a frozen process from ending",
		"pause/twice":                        "the status is not checked",
		"pause/not-running":                  "the status is not checked",
		"exec/user-malformed":                "a negative uid is accepted, and is 0 inside",
		"exec/env":                           "--env replaces the container's environment",
		"concurrency/deletes":                "delete --force fails when another one removes the container meanwhile" + harness.Sometimes,
	},
}
