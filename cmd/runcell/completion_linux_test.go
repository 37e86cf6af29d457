package main

// Completion as it is used: real shells, keys typed on a terminal.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/netbsd-cells/runcell/runtime"
)

// shells say how each is started so that ^T writes its line to $DUMP, and reads
// the script from $SCRIPT. TAB in zsh expands before it completes, whatever
// completes: here it is complete-word, which does not.
var shells = map[string]struct {
	args   []string
	rc     string // its file
	config string
	clear  string // keys that empty the line, and close a list of candidates
}{
	"bash": {[]string{"--noprofile", "--rcfile", "bashrc", "-i"}, "bashrc", `
		PS1='READY> '
		bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous on'
		dump() { printf %s "$READLINE_LINE" >"$DUMP.new" && mv "$DUMP.new" "$DUMP"; }
		bind -x '"\C-t": dump'
		source "$SCRIPT"
	`, "\x15"},
	"zsh": {[]string{"-d", "-i"}, ".zshrc", `
		PS1='READY> '; unsetopt beep; setopt no_list_packed
		autoload -Uz compinit; compinit -u -D
		source "$SCRIPT"
		dump() { print -rn -- "$BUFFER" >$DUMP.new && command mv $DUMP.new $DUMP; }
		zle -N dump; bindkey -e; bindkey '^T' dump; bindkey '^I' complete-word
	`, "\x15"},
	"fish": {[]string{"-i"}, "fish/config.fish", `
		function fish_prompt; echo 'READY> '; end
		function fish_greeting; end
		function dump; commandline >$DUMP.new; and command mv $DUMP.new $DUMP; end
		bind \ct dump
		source $SCRIPT
	`, "\x03\x15"},
}

// aShell is a shell in a directory of its own.
type aShell struct {
	*testing.T
	dir, dump string
	clear     string
	keys      *os.File
	mu        sync.Mutex
	screen    bytes.Buffer
}

func startShell(t *testing.T, name, program string) *aShell {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: .ci/deps installs it", err)
	}
	home := t.TempDir()
	s := &aShell{T: t, clear: shells[name].clear, dir: filepath.Join(home, "work"), dump: filepath.Join(home, "line")}
	script, err := exec.Command(program, "completion", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{shells[name].rc: shells[name].config, "script": string(script), "work/keep.txt": "kept"} {
		writeFile(t, filepath.Join(home, file), text)
	}
	// Or fish makes it in the background, and something in it while it is removed.
	if err := os.MkdirAll(filepath.Join(home, "fish", "generated_completions"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{
		Path: path, Args: append([]string{name}, shells[name].args...), Dir: s.dir,
		Env: []string{
			"HOME=" + home, "ZDOTDIR=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "TERM=xterm", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
			"DUMP=" + s.dump, "SCRIPT=" + filepath.Join(home, "script"),
		},
	}
	if name == "bash" {
		cmd.Args[3] = filepath.Join(home, "bashrc")
	}
	if s.keys, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: 60, Cols: 200}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(s, s.keys) }() // EIO is the end of a terminal
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = s.keys.Close()
	})
	s.until("a prompt", func() bool { return strings.Contains(s.shown(), "READY> ") })
	return s
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (s *aShell) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.Write(b)
}

func (s *aShell) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

func (s *aShell) until(what string, done func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("no %s; the screen shows %q", what, s.shown())
		}
	}
}

// colours are what a terminal is told between letters.
var colours = regexp.MustCompile("\x1b(\\[[0-9;]*m|\\(B)")

// line types keys and gives the line that comes of them. It waits until the
// screen shows a word, too.
func (s *aShell) line(keys, word string) string {
	s.Helper()
	before := len(s.shown())
	line := s.press(keys)
	s.until(word+" on the screen after "+keys, func() bool {
		return strings.Contains(colours.ReplaceAllString(s.shown()[before:], ""), word)
	})
	for s.press(s.clear) != "" {
	}
	return line
}

func (s *aShell) press(keys string) string {
	s.Helper()
	_ = os.Remove(s.dump)
	if _, err := s.keys.WriteString(keys + "\x14"); err != nil {
		s.Fatal(err)
	}
	var line []byte
	s.until("line after "+keys, func() bool {
		var err error
		line, err = os.ReadFile(s.dump)
		return err == nil
	})
	return strings.TrimSuffix(string(line), "\n")
}

// stateOf writes the state of a container that has ended.
func stateOf(t *testing.T, root, id string) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"id": id, "phase": runtime.Created, "cell": 1, "pid": os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(root, id, "state.json"), string(b))
}

func TestCompletionInShells(t *testing.T) {
	bin, root, store := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "store")
	for _, name := range []string{"runcell", "runcell-image"} {
		if out, err := exec.Command("go", "build", "-o", bin, "../"+name).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	program := filepath.Join(bin, "runcell")
	stateOf(t, root, "web")
	stateOf(t, root, "db")
	if out, err := exec.Command(program, "image", "pack", "--store", store, "--cmd", "/x", t.TempDir(), "demo:1").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	at := strings.NewReplacer("ROOT", root, "STORE", store)
	for name := range shells {
		t.Run(name, func(t *testing.T) {
			s := startShell(t, name, program)
			writeFile(t, filepath.Join(s.dir, "my bundle", "config.json"), "{}")
			for _, c := range []struct {
				typed, line string
				shown       string // beside it
			}{
				{"runcell expl", "runcell explain ", ""},
				{"runcell image pul", "runcell image pull ", ""},
				{"runcell --root ROOT state w", "runcell --root ROOT state web ", ""},
				{"runcell --root ROOT kill web HU", "runcell --root ROOT kill web HUP ", ""},
				{"runcell --root ROOT kill web SIGHU", "runcell --root ROOT kill web SIGHUP ", ""},
				{"runcell --root=ROOT delete --forc", "runcell --root=ROOT delete --force ", ""},
				{"runcell --root ROOT delete ", "runcell --root ROOT delete ", "web"},
				{"runcell --root ROOT delete ", "runcell --root ROOT delete ", "db"},
				{"runcell run --root", "runcell run --root", "--rootfs"},
				{"runcell run --rootfs sha", "runcell run --rootfs shared ", ""},
				{"runcell run --rootfs=sha", "runcell run --rootfs=shared ", ""},
				{"runcell image inspect --store STORE de", "runcell image inspect --store STORE demo:1 ", ""},
				{"runcell image inspect --store STORE demo:", "runcell image inspect --store STORE demo:1 ", ""},
				{"runcell run --store STORE --image localh", "runcell run --store STORE --image localhost/demo:1 ", ""},
				{"runcell image unpack oci:ST", "runcell image unpack oci:ST", ""},
				{"runcell --log kee", "runcell --log keep.txt ", ""},
				{"cat x; runcell --log=kee", "cat x; runcell --log=keep.txt ", ""},
				{`runcell explain "my`, `runcell explain "my bundle/`, ""},
				// What was given is not offered again.
				{"runcell --root ROOT start web ", "runcell --root ROOT start web ", ""},
				{"runcell --root ROOT metrics web ", "runcell --root ROOT metrics web db ", ""},
				{"runcell delete --force --forc", "runcell delete --force --forc", ""},
				// Nothing is executed or expanded.
				{"runcell list > keep.txt ", "runcell list > keep.txt ", ""},
				{"runcell list >keep.txt --qui", "runcell list >keep.txt --quiet ", ""},
				{"runcell kill $(touch pwn) HU", "runcell kill $(touch pwn) HUP ", ""},
				{"runcell state `touch pwn` ", "runcell state `touch pwn` ", ""},
				{"runcell kill $(touch pwn)", "runcell kill $(touch pwn)", ""},
				{`runcell --root "$(touch pwn)" kill `, `runcell --root "$(touch pwn)" kill `, ""},
				{"touch pwn; runcell expl", "touch pwn; runcell explain ", ""},
				{"runcell run --bundle=$(touch pwn)/", "runcell run --bundle=$(touch pwn)/", ""},
				{"runcell run --bundle $HOME/", "runcell run --bundle $HOME/", ""},
				{"runcell kill 'a' <(touch pwn) HU", "runcell kill 'a' <(touch pwn) HU", ""},
			} {
				line := s.line(at.Replace(c.typed)+"\t", c.shown)
				// bash closes a quote that was open.
				if want := at.Replace(c.line); line != want && line != want+`"` {
					t.Errorf("%q TAB gives %q; want %q", c.typed, line, want)
				}
			}
			// A name that a shell would run is quoted, also where a quote is open. (zsh
			// quotes by itself, and !ls between double quotes for its history alone.)
			for i, file := range []string{"$(touch pwn) it", "it's `touch pwn`", `q"q $HOME`, "' ; touch pwn ; '", `" ; touch pwn ; "`, `back\`, "-n", "*{a,b}[c]~#"} {
				dir := fmt.Sprintf("evil%d/", i)
				writeFile(t, filepath.Join(s.dir, dir+file), "")
				for _, quote := range []string{"", "'", `"`} {
					line := s.line("runcell --log "+quote+dir+"\t", "")
					word, ok := strings.CutPrefix(line, "runcell --log ")
					if exec.Command(name, "-n", "-c", ": "+word).Run() != nil {
						word = strings.TrimSuffix(word, " ") + quote // bash may leave it to who types
					}
					if !ok || evaluated(t, name, word) != dir+file {
						t.Errorf("the file %q behind %q is completed as %q", file, quote, line)
					}
				}
			}
			// bash looks for events of its history between double quotes, too.
			writeFile(t, filepath.Join(s.dir, "bang", "!touch"), "")
			if line := s.line(`runcell --log "bang/`+"\t", ""); name == "bash" && line != `runcell --log "bang/"\!"touch" ` {
				t.Errorf("a file that is named as an event is completed as %q", line)
			}
			if b, err := os.ReadFile(filepath.Join(s.dir, "keep.txt")); err != nil || string(b) != "kept" {
				t.Errorf("keep.txt has %q, %v: what was typed was executed", b, err)
			}
			if _, err := os.Lstat(filepath.Join(s.dir, "pwn")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("touch pwn was executed: %v", err)
			}
		})
	}
}

// evaluated is what a word means to a shell.
func evaluated(t *testing.T, shell, word string) string {
	t.Helper()
	cmd := exec.Command(shell, "-c", "printf %s "+word)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s -c %q: %v", shell, word, err)
	}
	return string(out)
}
