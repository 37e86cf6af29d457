package main

// What the shells' scripts are answered about images.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/completion"
	"github.com/netbsd-cells/runcell/kmod/flock"
)

// Who adds a command or a flag has to say what its arguments are.
func TestCompletionKnowsEveryArgument(t *testing.T) {
	completion.Check(t.Errorf, completions(), root(&cmdline.Program{}))
}

func TestCompletionWords(t *testing.T) {
	store, dir := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"demo:1", "other", "example.com/web:1"} {
		if _, stderr, code := runImage("image", "pack", "--store", store, "--cmd", "/x", dir, name); code != 0 {
			t.Fatal(stderr)
		}
	}
	for _, c := range []struct{ words, want string }{
		{"image pus", "push"},
		{"image rm --store S localhost/", "localhost/demo:1 localhost/other:latest"},
		{"image rm --store S demo:1 d", ""}, // given
		{"image rm --store S other:latest d", "demo:1"},
		{"image inspect --store S demo:1 ", ""},
		{"image inspect --store $S d", ""},
		{"image list --store S --remote-tags ", "example.com/web"},
		{"registry log", "login logout"},
		{"registry logout --authf", "--authfile"},
		{"image tag --store S demo:1 localhost/o", "localhost/other:latest"},
		{"image unpack o", "oci-archive: oci:"},
		{"image unpack oci:D/", "oci:D/sub/"},
		{"image unpack --store S D/", "D/sub/"},
		{"image import dock", "docker-archive:"},
		{"image config --unset e", "entrypoint env expose"},
		{"image config --store S oth", "other:latest"},
		{"image pack --compress ", "gzip none zstd"},
		{"image pack --stop-signal SIGHU", "SIGHUP"},
		{"image pack --workdir /", ""},
		{"image pull --platform netbsd/am", "netbsd/amd64"},
	} {
		words := strings.NewReplacer("D/", dir+"/", "--store S", "--store "+store).Replace(c.words)
		want := strings.ReplaceAll(c.want, "D/", dir+"/")
		stdout, stderr, code := runImage(append([]string{"completion", "words", "--"}, strings.Split(words, " ")...)...)
		var got []string
		for line := range strings.Lines(stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if strings.Join(got, " ") != want || stderr != "" || code != 0 {
			t.Errorf("runcell %s: offers %q, stderr %q, code %d; want %q", c.words, got, stderr, code, want)
		}
	}
}

// TAB waits for nobody: while the store is locked, its names are offered all the
// same, but for those that no image of this program can have.
func TestNamesOfALockedStore(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := runImage("image", "pack", "--store", dir, "--cmd", "/x", t.TempDir(), "demo:1"); code != 0 {
		t.Fatal(stderr)
	}
	index := filepath.Join(dir, "index.json")
	b, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	entry := string(b[bytes.IndexByte(b, '[')+1 : bytes.LastIndexByte(b, ']')])
	for _, name := range []string{`a\nb`, `\u001b[31mred`, `--force`} {
		entry += "," + strings.Replace(entry, "localhost/demo:1", name, 1)
	}
	if err := os.WriteFile(index, fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[%s]}`, entry), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if got, err := flock.Try(int(f.Fd()), flock.Exclusive); !got || err != nil {
		t.Fatal(got, err)
	}
	began := time.Now()
	stdout, stderr, code := runImage("completion", "words", "--", "image", "rm", "--store", dir, "")
	if stdout != "demo:1\nlocalhost/demo:1\n" || stderr != "" || code != 0 || time.Since(began) > time.Second {
		t.Errorf("offered %q, stderr %q, code %d after %v", stdout, stderr, code, time.Since(began))
	}
}
