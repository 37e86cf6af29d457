package main

// A host with three declared cells that loses its power while they run and write.
// Its disk has what was written to it; /var/run and /tmp are in memory. What a host
// does by itself, its rc.d scripts do, run by busybox's shell; rc.subr(8) and the
// programs that they call have stand-ins.

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

// host is one boot.
type host struct {
	demoRun
	shell *console.Shell
}

// boots are what is tried after each of them.
var boots = map[string]func(*host, *pagesRun){
	"first":  func(h *host, r *pagesRun) { h.install(r); h.start("first"); h.work() },
	"second": func(h *host, _ *pagesRun) { h.start("second"); h.look(); h.otherState(); h.halfUpgrade() },
	"third":  func(h *host, _ *pagesRun) { h.start("third"); h.look(); h.end() },
}

// flags are runcell's, of what runs when a boot is over.
var flags = map[string]string{"third": "--root /var/db/state"}

// hostDir is in memory, and the same in each boot: the stand-ins' names are in a file.
const hostDir = "/tmp/host"

func power(when, runcell, busybox, module string) error {
	do := boots[when]
	if do == nil {
		return fmt.Errorf("boot %q: there are first, second and third", when)
	}
	r := &pagesRun{busybox: busybox, dir: hostDir}
	if err := r.tools(hostDir + "/rescue"); err != nil {
		return err
	}
	h := &host{demoRun: demoRun{runcell: runcell, dir: hostDir}}
	h.shell = &console.Shell{
		Command: []string{r.busybox, "sh", "-c"}, Dir: "/", State: hostDir + "/shell", Before: r.functions(),
		Env: append(os.Environ(), "FLAGS="+flags[when], "PATH="+filepath.Dir(runcell)+":"+hostDir+"/tools", moduleVar+"="+module),
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

// install makes the host: scripts, an image in two versions, three declarations.
func (h *host) install(r *pagesRun) {
	var errs []error
	for _, dir := range []string{"/etc/rc.d", "/etc/runcell", "/var/db", "/var/log"} {
		errs = append(errs, os.MkdirAll(dir, 0o755))
	}
	errs = append(errs, write("/etc/rc.subr", subr+r.functions(), 0o644), write("/etc/rc.conf", "secmodel_cell=YES\nruncell=YES\n", 0o644))
	scripts, err := fs.Glob(etc.Scripts, "rc.d/*")
	errs = append(errs, err)
	for _, name := range scripts {
		b, err := etc.Scripts.ReadFile(name)
		// The guest's programs are below the root itself.
		errs = append(errs, err, write("/etc/"+name, strings.ReplaceAll(string(b), "@PREFIX@", ""), 0o755))
	}
	h.point("scripts are installed", errors.Join(errs...))
	h.typed("an image, in three versions", "", `cd /tmp/host; mkdir -p root/bin root/data root/dev root/proc root/tmp; cp tools/busybox root/bin/sh
for p in cat sleep; do ln -s sh root/bin/$p; done
for v in one two late; do
  echo $v >root/version; if [ $v = late ]; then for i in 0 1 2 3 4 5 6 7; do cp tools/busybox root/blob$i; done; fi
  runcell image pack --entrypoint /bin/sh root host:$v
done`)
	for _, c := range cells {
		// Each writes to its root and to its data for as long as it lives.
		text := "image = host:one\nvolume = " + c.name + ":/data\n" +
			`command = -c "trap 'echo bye; exit 0' TERM; echo begins; while :; do echo x >>/data/x; echo x >/n; echo works; sleep 1; done"` + "\n" + strings.Replace(c.more, "volume = data:/data\n", "", 1)
		h.point(c.name+" is declared", write("/etc/runcell/"+c.name+".cell", text, 0o644))
	}
}

// start is what rc(8) does, in rcorder(8)'s order.
func (h *host) start(when string) {
	h.typed(when+" boot: the module is loaded", "^Loading secmodel_cell.$", "sh /etc/rc.d/secmodel_cell start")
	h.typed(when+" boot: the cells start in order", `(?s)^Starting cells\..*\ndb: started\nweb: started\napp: started$`, "sh /etc/rc.d/runcell start")
	h.running(when + " boot")
}

func (h *host) running(when string) {
	h.typed(when+": all run", "(?s)running.*running.*running", "sh /etc/rc.d/runcell status")
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
	h.typed("a log is rotated", "", "mv /var/log/runcell/app.log /var/log/runcell/app.log.0")
	h.until("and goes on", func() bool { _, err := os.Stat("/var/log/runcell/app.log"); return err == nil })
}

// stops is what the script says at the end.
const stops = `(?s)^Stopping cells\.\napp: stopped\nweb: stopped\ndb: stopped$`

// otherState moves the state directory to the disk: what is in it outlives the power.
func (h *host) otherState() {
	h.typed("shutdown stops them in the opposite order", stops, "sh /etc/rc.d/runcell stop")
	h.point("the state is on the disk from now on", write("/etc/rc.conf", "secmodel_cell=YES\nruncell=YES\nruncell_flags='--root /var/db/state'\n", 0o644))
	h.typed("they start there", `(?s)db: started\nweb: started\napp: started$`, "sh /etc/rc.d/runcell start")
}

// halfUpgrade begins an upgrade that is cut off: its step ends as soon as there is
// something of it.
func (h *host) halfUpgrade() {
	h.typed("an upgrade begins", "", "setsid runcell --root /var/db/state service upgrade web host:two >/tmp/upgrade 2>&1 </dev/null &")
	h.until("and is at work", func() bool { _, err := os.Stat("/var/db/runcell/services/web/2"); return err == nil })
}

func (h *host) end() {
	h.typed("the upgrade that was cut off is made again", "", "runcell $FLAGS service upgrade web host:two")
	h.typed("and is there", "^two$", "runcell $FLAGS exec web /bin/sh -c 'cat /version'")
	h.typed("rollback", `^db: root 1, of host:one; started$`, "runcell $FLAGS service rollback db")
	h.typed("to what was", "^one$", "runcell $FLAGS exec db /bin/sh -c 'cat /version'")
	h.typed("with its data", "^kept$", "runcell $FLAGS exec db /bin/sh -c 'cat /data/kept'")
	h.typed("a cell gets a script of its own", "^app: enabled: /etc/rc.d/cell_app$", "runcell $FLAGS service enable app")
	h.typed("which does", "^app: stopped\napp: started$", "sh /etc/rc.d/cell_app restart")
	h.typed("and goes again", "", "runcell $FLAGS service disable app")
	h.running("the end")
	h.typed("shutdown stops them in the opposite order", stops, "sh /etc/rc.d/runcell stop")
	h.typed("each had the time to end", "^bye\nbye\nbye$", `for c in app web db; do grep -v works /var/log/runcell/$c.log | tail -n 2 | head -n 1; done`)
	h.typed("nothing is left that runs", "^$", "runcell $FLAGS list --quiet")
	h.typed("old roots go", "(?m)^db: removed [12]$", "runcell $FLAGS service prune --all")
	h.typed("nothing else is left", "^$", "cd /var/db/runcell && ls -d moving.* services/*/gone.* services/*/*.new services/*/*/*.new /etc/runcell/*.new 2>/dev/null || :")
}
