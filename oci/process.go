package oci

// process: what runs in the cell, as whom and with which limits.

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// defaultMaxGroups is NetBSD's NGROUPS_MAX, for Features that don't say.
const defaultMaxGroups = 16

// noID is (uid_t)-1, which setuid(2) and chown(2) read as "leave as it is".
const noID = ^uint32(0)

func (c *compiler) args(field string, v any) {
	args := v.([]string)
	c.process.Args = args
	if args[0] == "" {
		c.invalid(field+"[0]", `""`, "empty; the first argument names the program to run")
		return
	}
	c.exact(field, quote(strings.Join(args, " ")), "")
}

func (c *compiler) env(field string, v any) {
	env := v.([]string)
	c.process.Env = lastOfEach(env)
	valid := true
	for i, e := range env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			c.invalid(fmt.Sprintf("%s[%d]", field, i), quote(e), "not of the form NAME=value")
			valid = false
		}
	}
	if valid {
		// Values may be secrets: a note goes to the log.
		reason := ""
		if len(c.process.Env) < len(env) {
			reason = "of a variable that is given twice, the last value counts"
		}
		c.exact(field, plural(len(env), "variable", "variables"), reason)
	}
}

// lastOfEach leaves of variables with one name the last: of two, getenv(3)
// finds the first and a shell the last.
func lastOfEach(env []string) []string {
	last := make(map[string]int, len(env))
	name := func(e string) string { n, _, _ := strings.Cut(e, "="); return n }
	for i, e := range env {
		last[name(e)] = i
	}
	if len(last) == len(env) {
		return env
	}
	kept := make([]string, 0, len(last))
	for i, e := range env {
		if last[name(e)] == i {
			kept = append(kept, e)
		}
	}
	return kept
}

func (c *compiler) cwd(field string, v any) {
	dir := v.(string)
	c.process.Cwd = dir
	if !path.IsAbs(dir) {
		c.invalid(field, quote(dir), "must be an absolute path, such as \"/\"")
		return
	}
	c.exact(field, quote(dir), "")
}

func (c *compiler) terminal(field string, _ any) {
	c.process.Terminal = true
	c.exact(field, "true", "")
}

func (c *compiler) consoleSize(field string, v any) {
	box := v.(specs.Box)
	value := fmt.Sprintf("%d lines of %d", box.Height, box.Width)
	const limit = 1<<16 - 1
	if box.Height > limit || box.Width > limit {
		c.invalid(field, value, fmt.Sprintf("a terminal has at most %d lines and columns", limit))
		return
	}
	c.process.ConsoleSize = &Size{Height: uint16(box.Height), Width: uint16(box.Width)}
	c.exact(field, value, "used when process.terminal is true")
}

func (c *compiler) uid(field string, v any) {
	c.process.UID = c.id(field, v.(uint32))
}

// username is Windows's. Whoever gives it and no number means that user, and
// would get root.
func (c *compiler) username(field string, v any) {
	name := v.(string)
	if c.process.UID == 0 && name != "root" {
		c.fatal(field, quote(name), "names are not looked up, and process.user.uid is 0: the process would run as root; give the user's number in process.user.uid")
		return
	}
	c.refused(field, quote(name), "for Windows; process.user.uid is used")
}

func (c *compiler) gid(field string, v any) {
	c.process.GID = c.id(field, v.(uint32))
}

func (c *compiler) id(field string, id uint32) uint32 {
	value := strconv.FormatUint(uint64(id), 10)
	if id == noID {
		c.invalid(field, value, "is no id: system calls read it as \"unchanged\"")
	} else {
		c.exact(field, value, "")
	}
	return id
}

func (c *compiler) umask(field string, v any) {
	mask := v.(uint32)
	c.process.Umask = &mask
	value := fmt.Sprintf("%#o", mask)
	if mask > 0o777 {
		c.invalid(field, value, "a umask has the bits 0777; JSON numbers are decimal (18 is 022)")
		return
	}
	c.exact(field, value, "")
}

func (c *compiler) additionalGids(field string, v any) {
	gids := v.([]uint32)
	c.process.AdditionalGIDs = gids
	limit := c.f.MaxGroups
	if limit <= 0 {
		limit = defaultMaxGroups
	}
	if len(gids) > limit {
		c.invalid(field, plural(len(gids), "group", "groups"), fmt.Sprintf("this kernel allows %d", limit))
		return
	}
	for i, g := range gids {
		if g == noID {
			c.id(fmt.Sprintf("%s[%d]", field, i), g)
			return
		}
	}
	c.exact(field, strings.Trim(fmt.Sprint(gids), "[]"), "")
}

func (c *compiler) noNewPrivileges(field string, _ any) {
	c.process.NoNewPrivs = true
	if c.emulated() {
		c.exact(field, "true", "")
		return
	}
	c.approximated(field, "true", "NetBSD has no such flag: the container's root and mounts are nosuid instead, "+
		"so set-id bits have no effect")
}

func (c *compiler) oomScoreAdj(field string, v any) {
	c.refused(field, strconv.Itoa(v.(int)), "NetBSD has no out-of-memory score; not set")
}

// scheduler: an ordinary process can be nice; the rest is Linux's.
func (c *compiler) scheduler(field string, v any) {
	s := v.(specs.Scheduler)
	switch s.Policy {
	case specs.SchedOther, "":
	case specs.SchedFIFO, specs.SchedRR, specs.SchedBatch, specs.SchedISO, specs.SchedIdle, specs.SchedDeadline:
		c.refused(field+".policy", quote(string(s.Policy)), "the process runs in the ordinary class (SCHED_OTHER)")
		return
	default:
		c.invalid(field+".policy", quote(string(s.Policy)), "not a scheduling policy; use SCHED_OTHER")
		return
	}
	if s.Nice < -20 || s.Nice > 19 {
		c.invalid(field+".nice", strconv.Itoa(int(s.Nice)), "must be from -20 to 19")
		return
	}
	nice := int(s.Nice)
	c.process.Nice = &nice
	if s.Priority != 0 || len(s.Flags) > 0 || s.Runtime != 0 || s.Deadline != 0 || s.Period != 0 {
		c.refused(field, "", "only policy SCHED_OTHER and nice are set; priority, flags, runtime, deadline and period are Linux's")
		return
	}
	c.exact(field, fmt.Sprintf("nice %d", nice), "")
}

// where an rlimit exists.
const (
	onNetBSD   = 1 << iota // NetBSD's getrlimit(2)
	onEmulator             // Linux's getrlimit(2)
)

// limits is every RLIMIT_ name of both systems.
var limits = [...]struct {
	name   string
	exists int
	reason string
}{
	{name: "RLIMIT_AS", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_CORE", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_CPU", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_DATA", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_FSIZE", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_LOCKS", exists: onEmulator},
	{name: "RLIMIT_MEMLOCK", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_MSGQUEUE", exists: onEmulator},
	{name: "RLIMIT_NICE", exists: onEmulator},
	{name: "RLIMIT_NOFILE", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_NPROC", exists: onNetBSD | onEmulator, reason: "counts the user's processes on the whole host"},
	{name: "RLIMIT_NTHR", exists: onNetBSD, reason: "counts the user's threads on the whole host"},
	{name: "RLIMIT_RSS", exists: onNetBSD | onEmulator},
	{name: "RLIMIT_RTPRIO", exists: onEmulator},
	{name: "RLIMIT_RTTIME", exists: onEmulator},
	{name: "RLIMIT_SBSIZE", exists: onNetBSD},
	{name: "RLIMIT_SIGPENDING", exists: onEmulator},
	{name: "RLIMIT_STACK", exists: onNetBSD | onEmulator},
}

func (c *compiler) rlimit(field string, v any) {
	r := v.(specs.POSIXRlimit)
	value := quote(r.Type)
	reason := ""
	exists := -1
	for _, l := range limits {
		if l.name == r.Type {
			exists, reason = l.exists, l.reason
		}
	}
	// The emulator stands in for NetBSD: it takes NetBSD's limits only, so a
	// configuration that works on it works there.
	switch {
	case exists < 0:
		c.invalid(field+".type", value, "not a resource limit; see setrlimit(2)")
	case exists&onNetBSD == 0:
		c.invalid(field+".type", value, "NetBSD has no such limit; remove it")
	case c.emulated() && exists&onEmulator == 0:
		c.invalid(field+".type", value, "the emulator's host has no such limit: it exists on NetBSD only")
	case c.rlimits[r.Type] != "":
		c.invalid(field+".type", value, "given before, by "+c.rlimits[r.Type])
	case r.Soft > r.Hard:
		c.invalid(field+".soft", limitValue(r.Soft), fmt.Sprintf("above the hard limit %s of %s", limitValue(r.Hard), r.Type))
	default:
		c.exact(field, fmt.Sprintf("%s %s, hard %s", r.Type, limitValue(r.Soft), limitValue(r.Hard)), reason)
	}
	if c.rlimits == nil {
		c.rlimits = make(map[string]string)
	}
	c.rlimits[r.Type] = field
	c.process.Rlimits = append(c.process.Rlimits, Rlimit{Type: r.Type, Soft: r.Soft, Hard: r.Hard})
}

func limitValue(n uint64) string {
	if n == kmod.Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// settleProcess checks what process can't do without.
func (c *compiler) settleProcess() {
	p := c.process
	if len(p.Args) == 0 {
		c.invalid("process.args", "", "missing; give the program to run and its arguments")
	}
	if p.Cwd == "" {
		c.invalid("process.cwd", "", "missing; give an absolute path, such as \"/\"")
	}
}
