package host

// What have.sh makes of the headers of different releases: the lines that tell
// them apart, as each of them writes them.

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// have runs have.sh on headers that hold these lines, and gives the names that
// it defines, but for KAUTH_ ones, which come second.
func have(t *testing.T, headers map[string]string) (differences, kauth []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kauth.h", "proc.h", "atomic.h"} {
		if err := os.WriteFile(filepath.Join(dir, "sys", name), []byte(headers[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("/bin/sh", "../have.sh", dir)
	c.Stderr = os.Stderr
	out, err := c.Output()
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
		{"6", map[string]string{
			"proc.h":   "\tint\t\tp_xstat;\nextern kmutex_t\t\t*proc_lock;\n",
			"atomic.h": "void\tmembar_exit(void);\n",
		}, nil},
		{"7.99.34", map[string]string{
			"proc.h":   "\tint\t\tp_xexit;\t/* p: exit code */\nextern kmutex_t\t\t*proc_lock;\n",
			"atomic.h": "void\t\tmembar_exit(void);\n",
		}, []string{"HAVE_P_XEXIT"}},
		{"10.1", map[string]string{
			"proc.h":   "\tint\t\tp_xexit;\t/* p: exit code */\nextern kmutex_t\t\tproc_lock;\n",
			"atomic.h": "void\t\tmembar_release(void);\nvoid\t\tmembar_exit(void);\n",
		}, []string{"HAVE_PROC_LOCK_OBJECT", "HAVE_P_XEXIT", "HAVE_MEMBAR_RELEASE"}},
	} {
		if got, _ := have(t, tt.headers); !slices.Equal(got, tt.want) {
			t.Errorf("release %s has %v, want %v", tt.name, got, tt.want)
		}
	}
}

// An enumerator and a macro are both names that a kernel has.
func TestHaveKauth(t *testing.T) {
	_, got := have(t, map[string]string{
		"kauth.h": "enum {\n\tKAUTH_SYSTEM_ACCOUNTING=1,\n\tKAUTH_SYSTEM_CHROOT,\n};\n#define\tKAUTH_VNODE_ADD_LINK\t(1ULL << 32)\n",
	})
	want := []string{"HAVE_KAUTH_SYSTEM_ACCOUNTING", "HAVE_KAUTH_SYSTEM_CHROOT", "HAVE_KAUTH_VNODE_ADD_LINK"}
	if !slices.Equal(got, want) {
		t.Errorf("have.sh found %v, want %v", got, want)
	}
}
