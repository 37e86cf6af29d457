package policy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "add new classes and permissions to testdata")

// The numbers are ABI: what is in testdata may only grow.
func TestNumbersAreStable(t *testing.T) {
	var b bytes.Buffer
	for _, row := range Table {
		fmt.Fprintf(&b, "class %d %s\n", row.Class, row.Name)
	}
	for _, p := range Permissions {
		fmt.Fprintf(&b, "permission %d %s\n", p.Permission, p.Name)
	}
	const file = "testdata/numbers"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Split(b.String(), "\n")
	for line := range strings.Lines(string(want)) {
		if line = strings.TrimSpace(line); !slices.Contains(have, line) {
			t.Errorf("%q is gone or renumbered: numbers and names are ABI", line)
		}
	}
	if n := strings.Count(string(want), "\n"); n != len(have)-1 {
		t.Errorf("%d numbers, %d recorded: run go test ./kmod/policy -run Stable -update", len(have)-1, n)
	}
}

func TestTableIsWellFormed(t *testing.T) {
	classes, names := map[Class]bool{}, map[string]bool{}
	used := map[Permission]bool{}
	for i := range Table {
		row := &Table[i]
		if classes[row.Class] || names[row.Name] {
			t.Errorf("class %d %s occurs twice", row.Class, row.Name)
		}
		classes[row.Class], names[row.Name] = true, true
		if first, next := classRange(row.Scope); row.Class < first || row.Class >= next {
			t.Errorf("%s: class %d; its scope has %d to %d", row.Name, row.Class, first, next-1)
		}
		if i > 0 && slices.Index(Scopes[:], Table[i-1].Scope) > slices.Index(Scopes[:], row.Scope) {
			t.Errorf("%s stands below another scope", row.Name)
		}
		if !strings.HasPrefix(row.Name, string(row.Scope)+".") {
			t.Errorf("%s is not in scope %s", row.Name, row.Scope)
		}
		upper := strings.ToUpper(string(row.Scope))
		if row.Action != "" && !strings.HasPrefix(row.Action, "KAUTH_"+upper+"_") {
			t.Errorf("%s: action %s", row.Name, row.Action)
		}
		if row.Request != "" && !strings.HasPrefix(row.Request, "KAUTH_REQ_"+strings.TrimPrefix(row.Action, "KAUTH_")+"_") {
			t.Errorf("%s: request %s is not one of %s", row.Name, row.Request, row.Action)
		}
		if row.Opens != Always && row.Opens != Never && row.Opens.Info() == nil {
			t.Errorf("%s: permission %d does not exist", row.Name, row.Opens)
		}
		if row.Meaning == "" || strings.ContainsAny(row.Meaning, "|\n") {
			t.Errorf("%s: meaning %q", row.Name, row.Meaning)
		}
		if got := Find(row.Example()); got != row {
			t.Errorf("Find(%s's example) = %v; the row can't be reached", row.Name, got)
		}
		if Lookup(row.Class) != row {
			t.Errorf("Lookup(%d) is not %s", row.Class, row.Name)
		}
		used[row.Opens] = true
	}
	for i, p := range Permissions {
		if int(p.Permission) != i || !used[p.Permission] || p.Opens == "" {
			t.Errorf("permission %d %q: bit %d, opens a class: %v", i, p.Name, p.Permission, used[p.Permission])
		}
		if len(Rows(p.Permission)) == 0 {
			t.Errorf("Rows(%s) is empty", p.Name)
		}
	}
	if len(Permissions) > 64 {
		t.Errorf("%d permissions; the bitmap has 64 bits", len(Permissions))
	}
}

// classRange gives a scope's first class and the one after its last.
func classRange(s Scope) (first, next Class) {
	bounds := [...]Class{0, 96, 160, 240, 280, 304, 320, 336}
	i := slices.Index(Scopes[:], s)
	return bounds[i], bounds[i+1]
}

// A permission opens its own classes and nothing else.
func TestPermissionOpensOnlyItsClasses(t *testing.T) {
	for _, p := range Permissions {
		for i := range Table {
			row := &Table[i]
			want := Deny
			if row.Opens == Always || row.Opens == p.Permission {
				want = Defer
			}
			if got := Decide(High, Set(0).With(p.Permission), row.Example()); got != want {
				t.Errorf("with only %s, %s = %s; want %s", p.Name, row.Name, got, want)
			}
			if got := Decide(Low, ^Set(0), row.Example()); (got == Deny) != (row.Opens == Never) {
				t.Errorf("with every bit, %s = %s", row.Name, got)
			}
			want = Defer
			if row.Opens == Never || row.Opens == p.Permission {
				want = Deny
			}
			if got := Decide(Low, All().Without(p.Permission), row.Example()); got != want {
				t.Errorf("without %s, %s = %s; want %s", p.Name, row.Name, got, want)
			}
		}
	}
}

// kauth.h's actions of 2023: none may fall through to a wildcard row unseen.
func TestEveryKnownActionHasARow(t *testing.T) {
	for _, a := range strings.Fields(knownActions) {
		if !slices.ContainsFunc(Table, func(r Row) bool { return slices.Contains(r.Actions(), a) }) {
			t.Errorf("%s has no row", a)
		}
	}
}

const knownActions = `
KAUTH_SYSTEM_ACCOUNTING KAUTH_SYSTEM_CHROOT KAUTH_SYSTEM_CHSYSFLAGS KAUTH_SYSTEM_CPU KAUTH_SYSTEM_DEBUG
KAUTH_SYSTEM_FILEHANDLE KAUTH_SYSTEM_MKNOD KAUTH_SYSTEM_MOUNT KAUTH_SYSTEM_PSET KAUTH_SYSTEM_REBOOT
KAUTH_SYSTEM_SETIDCORE KAUTH_SYSTEM_SWAPCTL KAUTH_SYSTEM_SYSCTL KAUTH_SYSTEM_TIME KAUTH_SYSTEM_MODULE
KAUTH_SYSTEM_FS_RESERVEDSPACE KAUTH_SYSTEM_FS_QUOTA KAUTH_SYSTEM_SEMAPHORE KAUTH_SYSTEM_SYSVIPC
KAUTH_SYSTEM_MQUEUE KAUTH_SYSTEM_VERIEXEC KAUTH_SYSTEM_DEVMAPPER KAUTH_SYSTEM_MAP_VA_ZERO KAUTH_SYSTEM_LFS
KAUTH_SYSTEM_FS_EXTATTR KAUTH_SYSTEM_FS_SNAPSHOT KAUTH_SYSTEM_INTR KAUTH_SYSTEM_KERNADDR
KAUTH_PROCESS_CANSEE KAUTH_PROCESS_CORENAME KAUTH_PROCESS_FORK KAUTH_PROCESS_KEVENT_FILTER KAUTH_PROCESS_KTRACE
KAUTH_PROCESS_NICE KAUTH_PROCESS_PROCFS KAUTH_PROCESS_PTRACE KAUTH_PROCESS_RLIMIT
KAUTH_PROCESS_SCHEDULER_GETAFFINITY KAUTH_PROCESS_SCHEDULER_SETAFFINITY KAUTH_PROCESS_SCHEDULER_GETPARAM
KAUTH_PROCESS_SCHEDULER_SETPARAM KAUTH_PROCESS_SETID KAUTH_PROCESS_SIGNAL KAUTH_PROCESS_STOPFLAG
KAUTH_NETWORK_ALTQ KAUTH_NETWORK_BIND KAUTH_NETWORK_FIREWALL KAUTH_NETWORK_INTERFACE KAUTH_NETWORK_FORWSRCRT
KAUTH_NETWORK_NFS KAUTH_NETWORK_ROUTE KAUTH_NETWORK_SOCKET KAUTH_NETWORK_INTERFACE_PPP
KAUTH_NETWORK_INTERFACE_SLIP KAUTH_NETWORK_INTERFACE_TUN KAUTH_NETWORK_INTERFACE_BRIDGE KAUTH_NETWORK_IPSEC
KAUTH_NETWORK_INTERFACE_PVC KAUTH_NETWORK_IPV6 KAUTH_NETWORK_SMB KAUTH_NETWORK_INTERFACE_WG
KAUTH_DEVICE_TTY_OPEN KAUTH_DEVICE_TTY_PRIVSET KAUTH_DEVICE_TTY_STI KAUTH_DEVICE_RAWIO_SPEC
KAUTH_DEVICE_RAWIO_PASSTHRU KAUTH_DEVICE_BLUETOOTH_SETPRIV KAUTH_DEVICE_RND_ADDDATA
KAUTH_DEVICE_RND_ADDDATA_ESTIMATE KAUTH_DEVICE_RND_GETPRIV KAUTH_DEVICE_RND_SETPRIV KAUTH_DEVICE_BLUETOOTH_BCSP
KAUTH_DEVICE_BLUETOOTH_BTUART KAUTH_DEVICE_GPIO_PINSET KAUTH_DEVICE_BLUETOOTH_SEND KAUTH_DEVICE_BLUETOOTH_RECV
KAUTH_DEVICE_TTY_VIRTUAL KAUTH_DEVICE_WSCONS_KEYBOARD_BELL KAUTH_DEVICE_WSCONS_KEYBOARD_KEYREPEAT
KAUTH_DEVICE_NVMM_CTL
KAUTH_MACHDEP_CACHEFLUSH KAUTH_MACHDEP_CPU_UCODE_APPLY KAUTH_MACHDEP_IOPERM_GET KAUTH_MACHDEP_IOPERM_SET
KAUTH_MACHDEP_IOPL KAUTH_MACHDEP_LDT_GET KAUTH_MACHDEP_LDT_SET KAUTH_MACHDEP_MTRR_GET KAUTH_MACHDEP_MTRR_SET
KAUTH_MACHDEP_NVRAM KAUTH_MACHDEP_UNMANAGEDMEM KAUTH_MACHDEP_PXG KAUTH_MACHDEP_SVS_DISABLE
KAUTH_VNODE_WRITE_SYSFLAGS KAUTH_VNODE_CHANGE_OWNERSHIP KAUTH_VNODE_RETAIN_SUID KAUTH_VNODE_RETAIN_SGID
KAUTH_GENERIC_ISSUSER`

func TestText(t *testing.T) {
	type doc struct {
		Profile     Profile
		Permission  Permission
		Permissions Set
	}
	in := doc{Medium, RawDevice, Set(0).With(Mount).With(Kill)}
	b, err := json.Marshal(in)
	want := fmt.Sprintf(`{"Profile":"medium","Permission":"raw-device","Permissions":%d}`, uint64(in.Permissions))
	if err != nil || string(b) != want {
		t.Errorf("Marshal = %s, %v; want %s", b, err, want)
	}
	var out doc
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("Unmarshal = %+v, %v; want %+v", out, err, in)
	}
	if got := in.Permissions.String(); got != "mount,kill" {
		t.Errorf("Set.String() = %q; want mount,kill", got)
	}
	for _, bad := range []string{`{"Profile":"none"}`, `{"Permission":"never"}`, `{"Profile":2}`} {
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("Unmarshal(%s) succeeded", bad)
		}
	}
	for _, v := range []any{Never, Permission(63), Profile(3)} {
		if _, err := json.Marshal(v); err == nil {
			t.Errorf("Marshal(%T %v) succeeded", v, v)
		}
	}
	for name, want := range map[string]Profile{"low": Low, "medium": Medium, "high": High} {
		if got, err := ParseProfile(name); err != nil || got != want {
			t.Errorf("ParseProfile(%q) = %s, %v", name, got, err)
		}
	}
	for v, want := range map[fmt.Stringer]string{
		Deny: "deny", Defer: "defer", High: "high", Profile(3): "profile(3)", Always: "always", Never: "never", Permission(0): "chroot",
		Permission(len(Permissions)): fmt.Sprintf("permission(%d)", len(Permissions)), Set(1 << 63): "permission(63)",
	} {
		if got := v.String(); got != want {
			t.Errorf("%T %v is printed as %q; want %q", v, v, got, want)
		}
	}
	if b, err := High.MarshalText(); err != nil || string(b) != "high" {
		t.Errorf("Marshal = %s, %v; want high", b, err)
	}
	for _, name := range []string{strings.Repeat("a", 64), strings.Repeat("a", 65)} {
		_, err := ParsePermission(name)
		if want := fmt.Sprintf("unknown permission %q", name[:64]+strings.Repeat("...", len(name)-64)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePermission of %d letters = %v; want %s", len(name), err, want)
		}
	}
	if s, err := ParsePermissions(" mount, ,kill,"); err != nil || s != in.Permissions {
		t.Errorf("ParsePermissions = %s, %v", s, err)
	}
	if _, err := ParsePermissions("mount,fly"); err == nil || !strings.Contains(err.Error(), `"fly"`) {
		t.Errorf("ParsePermissions(mount,fly) = %v; want an error that names fly", err)
	}
}

// These every cell can open, whatever its profile: one more, or one less, is
// another policy.
func TestOrdinaryDevices(t *testing.T) {
	const want = "null zero full random urandom tty ptm ptmx pts/* stdin stdout stderr fd/*"
	if got := strings.Join(OrdinaryDevices[:], " "); got != want {
		t.Errorf("ordinary devices are %s; want %s", got, want)
	}
}

func FuzzParsePermissions(f *testing.F) {
	f.Add("mount, kill")
	f.Add("Mount")
	f.Fuzz(func(t *testing.T, s string) {
		set, err := ParsePermissions(s)
		if err != nil {
			return
		}
		if set&^All() != 0 {
			t.Fatalf("ParsePermissions(%q) = %x: unknown bits", s, uint64(set))
		}
		if again, err := ParsePermissions(set.String()); err != nil || again != set {
			t.Fatalf("%q printed as %q, read back as %s, %v", s, set, again, err)
		}
	})
}

func FuzzParseProfile(f *testing.F) {
	f.Add("high")
	f.Add("HIGH")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParseProfile(s); err == nil && p.String() != s {
			t.Fatalf("ParseProfile(%q) = %s", s, p)
		}
	})
}

// What secmodel_cell(9) says of what the table does not know.
func TestUnknownActions(t *testing.T) {
	for _, scope := range Scopes {
		for _, p := range Profiles {
			want := Deny
			if p == Low && (scope == ScopeNetwork || scope == ScopeDevice || scope == ScopeMachdep) {
				want = Defer
			}
			if got := Decide(p, Defaults(p), Request{Scope: scope, Action: "KAUTH_FROM_THE_FUTURE"}); got != want {
				t.Errorf("an unknown action of the scope %s, at %s: %s; want %s", scope, p, got, want)
			}
		}
	}
}
