package host

// What have.sh makes of the headers of different releases: the lines that tell
// them apart, as each of them writes them.

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runHave runs have.sh on headers that hold these lines.
func runHave(t *testing.T, headers map[string]string) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range headers {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return exec.Command("/bin/sh", "../have.sh", dir).Output()
}

// What a kernel has must not be taken for missing.
func TestHaveRefuses(t *testing.T) {
	good := map[string]string{
		"sys/kauth.h": "\tKAUTH_SYSTEM_CHROOT,\n", "sys/proc.h": "", "sys/atomic.h": "", "netinet/in_pcb.h": "",
	}
	if _, err := runHave(t, good); err != nil {
		t.Fatalf("have.sh: %v", err)
	}
	for name := range good {
		headers := maps.Clone(good)
		delete(headers, name)
		if out, err := runHave(t, headers); err == nil {
			t.Errorf("without %s have.sh prints %q and no error", name, out)
		}
	}
	headers := maps.Clone(good)
	headers["sys/kauth.h"] = "/* moved */\n"
	if out, err := runHave(t, headers); err == nil {
		t.Errorf("have.sh finds no name in kauth.h, prints %q and no error", out)
	}
}

// have runs have.sh on headers that hold these lines, and gives the names that
// it defines, but for KAUTH_ ones, which come second.
func have(t *testing.T, headers map[string]string) (differences, kauth []string) {
	t.Helper()
	out, err := runHave(t, headers)
	if err != nil {
		t.Fatalf("have.sh: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != "#define" || words[2] != "1" {
			continue // the comment
		}
		if strings.HasPrefix(words[1], "HAVE_KAUTH_") {
			kauth = append(kauth, words[1])
		} else {
			differences = append(differences, words[1])
		}
	}
	return differences, kauth
}

func TestHave(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers map[string]string
		want    []string
	}{
		{"9", map[string]string{
			"sys/kauth.h":      "\tKAUTH_SYSTEM_CHROOT,\n",
			"sys/proc.h":       "extern kmutex_t\t\t*proc_lock;\n",
			"sys/atomic.h":     "void\t\tmembar_exit(void);\n",
			"netinet/in_pcb.h": "struct inpcb {\n\tstruct inpcb_hdr inp_head;\n",
		}, []string{"HAVE_INPCB_HDR"}},
		{"10.1", map[string]string{
			"sys/kauth.h":      "\tKAUTH_SYSTEM_CHROOT,\n",
			"sys/proc.h":       "extern kmutex_t\t\tproc_lock;\n",
			"sys/atomic.h":     "void\t\tmembar_release(void);\nvoid\t\tmembar_exit(void);\n",
			"netinet/in_pcb.h": "struct inpcb {\n\tLIST_ENTRY(inpcb) inp_hash;\n",
		}, []string{"HAVE_PROC_LOCK_OBJECT", "HAVE_MEMBAR_RELEASE"}},
	} {
		if got, _ := have(t, tt.headers); !slices.Equal(got, tt.want) {
			t.Errorf("release %s has %v, want %v", tt.name, got, tt.want)
		}
	}
}

// An enumerator and a macro are both names that a kernel has.
func TestHaveKauth(t *testing.T) {
	_, got := have(t, map[string]string{
		"sys/proc.h": "", "sys/atomic.h": "", "netinet/in_pcb.h": "",
		"sys/kauth.h": "enum {\n\tKAUTH_SYSTEM_ACCOUNTING=1,\n\tKAUTH_SYSTEM_CHROOT,\n};\n#define\tKAUTH_VNODE_ADD_LINK\t(1ULL << 32)\n",
	})
	want := []string{"HAVE_KAUTH_SYSTEM_ACCOUNTING", "HAVE_KAUTH_SYSTEM_CHROOT", "HAVE_KAUTH_VNODE_ADD_LINK"}
	if !slices.Equal(got, want) {
		t.Errorf("have.sh found %v, want %v", got, want)
	}
}
