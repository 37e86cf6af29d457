package main

// A host with three declared cells that loses its power while they run and write.
// Its disk has what was written to it; /var/run and /tmp are in memory. What a host
// does by itself, rc(8) does, where the guest has a NetBSD's userland: all scripts
// of /etc/rc.d in rcorder(8)'s order. Else our scripts are run by busybox's shell;
// rc.subr(8) and the programs that they call have stand-ins.

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/conformance/console"
	"github.com/netbsd-cells/runcell/etc"
)

// subr is what the scripts need of rc.subr(8).
const subr = `
load_rc_config() { . /etc/rc.conf; if [ -f "/etc/rc.conf.d/$1" ]; then . "/etc/rc.conf.d/$1"; fi; }
run_rc_command()
{
	eval "_on=\$$rcvar _cmd=\$${1}_cmd"
	[ "$_on" = YES ] || { echo "$name is not enabled"; return 0; }
	$_cmd
}
`

// standInWords are what is typed for a boot, a shutdown and a script where there is
// no userland.
const standInWords = `
service() { sh "/etc/rc.d/$1" "$2"; }
rc_boot() { service secmodel_cell start && service runcell start; }
rc_shutdown() { service runcell stop; }
`

// realWords are the same with one.
const realWords = `
rc_boot() { sh /etc/rc autoboot; }
rc_shutdown() { sh /etc/rc.shutdown; }
`

// hostFiles are of a host with a userland: what its admin sets up.
var hostFiles = map[string]string{
	"/etc/fstab": "/dev/wd0a / ffs rw,log 1 1\ntmpfs /tmp tmpfs rw,-m=1777 0 0\ntmpfs /var/run tmpfs rw,-m=755 0 0\nprocfs /proc procfs rw 0 0\nptyfs /dev/pts ptyfs rw 0 0\n",
}

// host is one boot.
type host struct {
	demoRun
	shell  *console.Shell
	module string // its file
	real   bool   // with a userland
	port   []string
}

// boots are what is tried after each of them.
var boots = map[string]func(*host, *pagesRun){
	"first": func(h *host, r *pagesRun) { h.install(r); h.start("first"); h.project(); h.work() },
	"second": func(h *host, _ *pagesRun) {
		h.start("second")
		h.projectRuns("second boot")
		h.look()
		h.otherState()
		h.halfUpgrade()
	},
	"third": func(h *host, _ *pagesRun) {
		h.start("third")
		h.projectRuns("third boot")
		h.projectEnds()
		h.look()
		h.end()
	},
}

// flags are runcell's, of what runs when a boot is over.
var flags = map[string]string{"third": "--root /var/db/state"}

// hostDir is the same in each boot: the stand-ins' names are in a file. It is on the
// disk, as rc(8) mounts what is in memory anew.
const hostDir = "/var/host"

func power(when, runcell, busybox, module string, port []string) error {
	do := boots[when]
	if do == nil {
		return fmt.Errorf("boot %q: there are first, second and third", when)
	}
	r := &pagesRun{busybox: busybox, dir: hostDir}
	if err := os.RemoveAll(hostDir); err != nil {
		return fmt.Errorf("remove what the last boot had: %w", err)
	}
	if err := r.tools(hostDir + "/rescue"); err != nil {
		return err
	}
	h := &host{demoRun: demoRun{runcell: runcell, dir: hostDir}, module: module, real: userland(), port: port}
	h.shell = &console.Shell{
		Command: []string{r.busybox, "sh", "-c"}, Dir: "/", State: hostDir + "/shell", Before: r.functions() + standInWords,
		Env: append(os.Environ(), "FLAGS="+flags[when], "PATH="+filepath.Dir(runcell)+":"+hostDir+"/tools", moduleVar+"="+module),
	}
	if h.real {
		h.shell.Command, h.shell.Before = []string{"/bin/sh", "-c"}, realWords
		h.shell.Env = append(h.shell.Env, "PATH=/usr/local/sbin:/sbin:/usr/sbin:/bin:/usr/bin")
		// The disk has a log, and the first process has mounted it to be written to.
		if err := write("/fastboot", "", 0o644); err != nil {
			return err
		}
	}
	if err := os.Mkdir(h.shell.State, 0o755); err != nil {
		return fmt.Errorf("make directory of shell: %w", err)
	}
	fmt.Println("TAP version 14")
	do(h, r)
	fmt.Printf("1..%d\n# %d passed, %d failed, 0 skipped\n", h.points, h.points-h.failed, h.failed)
	if h.failed > 0 {
		return fmt.Errorf("%d steps of the %s boot failed", h.failed, when)
	}
	return nil
}

// typed runs a line, which has to succeed and to print what matches.
func (h *host) typed(name, pattern, line string) {
	fmt.Printf("# # %s\n", strings.ReplaceAll(line, "\n", "\n# > "))
	lines, code, err := h.shell.Type(line)
	for _, l := range lines {
		fmt.Printf("#   %s\n", l)
	}
	// A slow guest is told what is waited for.
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "runcell: wait until ") })
	if out := strings.Join(lines, "\n"); err == nil && (code != 0 || !regexp.MustCompile(pattern).MatchString(out)) {
		err = fmt.Errorf("it exits with %d and prints %q; want 0 and what matches %s", code, out, pattern)
	}
	h.point(name, err)
}

// until waits for what a cell does.
func (h *host) until(name string, f func() bool) {
	for range 600 {
		if f() {
			h.point(name, nil)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.point(name, errors.New("not within a minute"))
}

// write writes a file, and has it and its name on the disk.
func write(path, text string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// install makes the host: scripts, an image in three versions, three declarations.
func (h *host) install(r *pagesRun) {
	var errs []error
	for _, dir := range []string{"/etc/rc.d", "/etc/runcell", "/var/db", "/var/log"} {
		errs = append(errs, os.MkdirAll(dir, 0o755))
	}
	errs = append(errs, h.system(r), h.settings(""))
	if !h.real {
		errs = append(errs, installScripts())
	}
	h.point("the host has what its admin installs", errors.Join(errs...))
	if h.real {
		h.typed("make install has left its scripts", "^/etc/rc.d/runcell\n/etc/rc.d/secmodel_cell$", "grep -l /usr/local/ /etc/rc.d/*")
	}
	h.installPort()
	// Their tree is in memory: the disk has no room for it beside the cells'.
	h.typed("an image, in three versions", "", `(tools=/var/host/tools; mkdir -p /tmp/host && cd /tmp/host && mkdir -p root/bin root/data root/dev root/proc root/tmp && cp $tools/busybox root/bin/sh
for p in cat sleep; do ln -s sh root/bin/$p; done
for v in one two late; do
  echo $v >root/version; if [ $v = late ]; then for i in 0 1 2 3 4 5 6 7; do cp $tools/busybox root/blob$i; done; fi
  runcell image pack --entrypoint /bin/sh root host:$v
done)`)
	for _, c := range cells {
		// Each writes to its root and to its data for as long as it lives.
		text := "image = host:one\nvolume = " + c.name + ":/data\n" +
			`command = -c "trap 'echo bye; exit 0' TERM; echo begins; while :; do echo x >>/data/x; echo x >/n; echo works; sleep 1; done"` + "\n" + strings.Replace(c.more, "volume = data:/data\n", "", 1)
		h.point(c.name+" is declared", write("/etc/runcell/"+c.name+".cell", text, 0o644))
	}
}

// installScripts writes the scripts of rc.d: the guest's programs are below the root
// itself.
func installScripts() error {
	scripts, err := fs.Glob(etc.Scripts, "rc.d/*")
	errs := []error{err}
	for _, name := range scripts {
		b, err := etc.Scripts.ReadFile(name)
		errs = append(errs, err, write("/etc/"+name, strings.ReplaceAll(string(b), "@PREFIX@", ""), 0o755))
	}
	return errors.Join(errs...)
}

// system is what the host has before our scripts come.
func (h *host) system(r *pagesRun) error {
	if !h.real {
		return write("/etc/rc.subr", subr+r.functions(), 0o644)
	}
	errs := []error{installModule(h.module)}
	for name, text := range hostFiles {
		errs = append(errs, write(name, text, 0o644))
	}
	return errors.Join(errs...)
}

// settings writes rc.conf(5).
func (h *host) settings(more string) error {
	text := "secmodel_cell=YES\nruncell=YES\n" + more
	if len(h.port) > 0 {
		text += "containerd=YES\n"
	}
	if h.real {
		text = ". /etc/defaults/rc.conf\nrc_configured=YES\nhostname=cells\n" + text
	}
	return write("/etc/rc.conf", text, 0o644)
}

// start is a boot, by rc(8).
func (h *host) start(when string) {
	h.typed(when+" boot: the module is loaded, and the cells start in order",
		`(?s)(^|\n)Loading secmodel_cell\.\n.*Starting cells\.\n.*db: started\nweb: started\napp: started(\n|$)`, "rc_boot")
	h.running(when + " boot")
}

func (h *host) running(when string) {
	h.typed(when+": all run", "(?s)running.*running.*running", "service runcell status")
	h.typed(when+": as they are declared", "", "runcell $FLAGS service check --all")
	for _, c := range cells {
		h.typed(when+": "+c.name+" works", "^(one|two|late)$", "runcell $FLAGS exec "+c.name+" /bin/sh -c 'cat /version; test -s /data/x && test -s /n'")
	}
}

// work changes what has to last.
func (h *host) work() {
	h.typed("upgrade", `^db: root 2, of host:two; started$`, "runcell service upgrade db host:two")
	h.point("data is written and is on the disk", write("/var/db/runcell/data/db/kept", "kept\n", 0o644))
	h.typed("the logs are for root alone", "^drwx------ ", "ls -ld /var/log/runcell")
	h.crash()
	// The last thing before the power goes: what is told as done is on the disk.
	h.typed("a late upgrade", `^app: root 2, of host:late; started$`, "runcell service upgrade app host:late")
}

// whole compares a root's large files with what they were made of.
func (h *host) whole(root string) error {
	want, err := os.ReadFile(hostDir + "/tools/busybox")
	for i := 0; i < 8 && err == nil; i++ {
		var b []byte
		name := fmt.Sprintf("%s/blob%d", root, i)
		if b, err = os.ReadFile(name); err == nil && !bytes.Equal(b, want) {
			err = fmt.Errorf("%s is not what the image has", name)
		}
	}
	return err
}

func (h *host) crash() {
	h.typed("one crashes", "", "runcell $FLAGS kill app KILL")
	h.until("and comes back", func() bool {
		b, _ := os.ReadFile("/var/log/runcell/app.log")
		return regexp.MustCompile(`(?s)app ended with status 137 \(SIGKILL\).*begins\n`).Match(b)
	})
}

// look is for what was there before the power was cut.
func (h *host) look() {
	h.typed("the upgrade has lasted", "^two$", "runcell $FLAGS exec db /bin/sh -c 'cat /version'")
	h.typed("and the data", "^kept$", "cat /var/db/runcell/data/db/kept")
	h.point("and the late upgrade, wholly", h.whole("/var/db/runcell/services/app/2/rootfs"))
	h.crash()
	if h.real {
		h.rotate()
		return
	}
	h.typed("a log is rotated", "", "mv /var/log/runcell/app.log /var/log/runcell/app.log.0")
	h.until("and goes on", func() bool { _, err := os.Stat("/var/log/runcell/app.log"); return err == nil })
}

// rotate has newsyslog(8) do it, with the lines of the manual: for a declared cell
// without a signal, for another with one.
func (h *host) rotate() {
	h.typed("another cell has a lock file", "", hostDir+"/tools/setsid runcell $FLAGS run --image host:one --restart always --log-file /var/log/loose.log "+
		"--lock-file /var/run/loose.pid loose -- -c 'while :; do echo works; sleep 1; done' >/dev/null 2>&1 </dev/null &")
	for log, more := range map[string]string{"/var/log/runcell/app.log": "ZN", "/var/log/loose.log": "Z /var/run/loose.pid"} {
		works := func() bool {
			b, _ := os.ReadFile(log)
			return strings.Contains(string(b), "\nworks\n")
		}
		h.until(log+" has something", works)
		h.typed("newsyslog(8) rotates it", "", "echo '"+log+" 600 5 100 * "+more+"' >/etc/newsyslog.conf; newsyslog -F "+log)
		h.until("it goes on", works)
		h.typed("what it had is whole", "^works$", "gzip -dc "+log+".0.gz | sed '/turned over/d; /^runcell: /d' | tail -n 1")
	}
	h.typed("the other one goes", "", "runcell $FLAGS stop loose; runcell $FLAGS delete --force loose; rm /var/log/loose.log*")
}

// stops is what the script says at the end.
const stops = `(?s)(^|\n)Stopping cells\.\napp: stopped\nweb: stopped\ndb: stopped(\n|$)`

// otherState moves the state directory to the disk: what is in it outlives the power.
func (h *host) otherState() {
	h.typed("shutdown stops them in the opposite order", stops, "rc_shutdown")
	h.point("the state is on the disk from now on", h.settings("runcell_flags='--root /var/db/state'\n"))
	h.typed("they start there", `(?s)db: started\nweb: started\napp: started$`, "service runcell start")
}

// halfUpgrade begins an upgrade that is cut off: its step ends as soon as there is
// something of it.
func (h *host) halfUpgrade() {
	h.typed("an upgrade begins", "", hostDir+"/tools/setsid runcell --root /var/db/state service upgrade web host:two >/tmp/upgrade 2>&1 </dev/null &")
	h.until("and is at work", func() bool { _, err := os.Stat("/var/db/runcell/services/web/2"); return err == nil })
}

func (h *host) end() {
	h.typed("the upgrade that was cut off is made again", "", "runcell $FLAGS service upgrade web host:two")
	h.typed("and is there", "^two$", "runcell $FLAGS exec web /bin/sh -c 'cat /version'")
	h.typed("rollback", `^db: root 1, of host:one; started$`, "runcell $FLAGS service rollback db")
	h.typed("to what was", "^one$", "runcell $FLAGS exec db /bin/sh -c 'cat /version'")
	h.typed("with its data", "^kept$", "runcell $FLAGS exec db /bin/sh -c 'cat /data/kept'")
	h.typed("a cell gets a script of its own", "^app: enabled: /etc/rc.d/cell_app$", "runcell $FLAGS service enable app")
	h.typed("which does", "^app: stopped\napp: started$", "service cell_app restart")
	if h.real {
		h.typed("rcorder(8) finds what each script requires", "^/etc/rc.d/secmodel_cell\n/etc/rc.d/runcell\n/etc/rc.d/cell_app$", "rcorder /etc/rc.d/* 2>&1 | grep cell")
		h.typed("service(8) lists what is enabled", "^/etc/rc.d/secmodel_cell\n/etc/rc.d/runcell\n", "service -e | grep cell")
	}
	h.typed("and goes again", "", "runcell $FLAGS service disable app")
	h.running("the end")
	h.typed("shutdown stops them in the opposite order", stops, "rc_shutdown")
	h.typed("each had the time to end", "^bye\nbye\nbye$", `for c in app web db; do sed /works/d /var/log/runcell/$c.log | tail -n 2 | head -n 1; done`)
	h.typed("nothing is left that runs", "^$", "runcell $FLAGS list --quiet")
	h.typed("old roots go", "(?m)^db: removed root [12] ", "runcell $FLAGS service prune --all")
	h.typed("nothing else is left", "^$", "cd /var/db/runcell && ls -d moving.* services/*/gone.* services/*/*.new services/*/*/*.new /etc/runcell/*.new 2>/dev/null || :")
}
