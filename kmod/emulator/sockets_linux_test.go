package emulator

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

func TestSockets(t *testing.T) {
	h := newHost(t)
	s := kmod.Spec{Permissions: policy.Defaults(policy.High), Ports: []kmod.Port{{Port: 8080}, {Port: 53, Proto: "udp", Addr: netip.MustParseAddr("127.0.0.1")}}, Network: kmod.NetworkHost}
	id, other := h.cell(s), h.cell(kmod.Spec{Name: "other"})
	c := h.start(id, "listen=127.0.0.1", "listen=::1", "wait")
	for range 2 {
		if line := c.line(); !strings.HasSuffix(line, " ok") {
			t.Fatalf("listen: %s", line)
		}
	}
	c.line()
	h.start(other, "wait").line()
	got, err := h.Sockets(id)
	if err != nil || len(got) != 2 {
		t.Fatalf("Sockets = %+v, %v; want 2", got, err)
	}
	for i, at := range []string{"127.0.0.1", "::1"} {
		j := slices.IndexFunc(got, func(s kmod.Socket) bool { return s.Local.Addr().String() == at })
		if j < 0 || got[j].Proto != "tcp" || got[j].Local.Port() == 0 || got[j].Pid != c.pid {
			t.Errorf("Sockets = %+v; want no. %d of tcp at %s by %d", got, i, at, c.pid)
		}
	}
	if got, err := h.Sockets(other); err != nil || len(got) != 0 {
		t.Errorf("the other's Sockets = %+v, %v; want none", got, err)
	}
	if got, err := h.Claims(id); err != nil || !reflect.DeepEqual(got, kmod.Claims{Network: s.Network, Ports: s.Ports}) {
		t.Errorf("Claims = %+v, %v; want %+v", got, err, s.Ports)
	}
	if got, err := h.Claims(0); err != nil || !reflect.DeepEqual(got, kmod.Claims{}) {
		t.Errorf("the host's Claims = %+v, %v; want nothing", got, err)
	}
}

const netTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 78 1 0000000000000000 100 0 0 10 0
`

// Who listens by TCP, or has a port of UDP, and is one of the cell's.
func TestSocketsThatWait(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	line := func(local, state, inode string) string {
		return " 0: " + local + " 00000000:0000 " + state + " 0:0 00:0 0 0 0 " + inode + "\n" // as short as it may be
	}
	for name, tt := range map[string]struct {
		text, proto string
		want        string
	}{
		"as Linux has it":    {netTCP, "tcp", "tcp 127.0.0.1:8080 by 7; "},
		"of both, by UDP":    {netTCP, "udp", "udp 127.0.0.1:8080 by 7; udp 127.0.0.1:8081 by 8; "},
		"nothing":            {head, "tcp", ""},
		"half a line":        {head + "0: 0100007F:1F90 0 0A 0 0 0 0 0", "tcp", ""},
		"others'":            {head + line("0100007F:1F90", "0A", "5"), "tcp", ""},
		"connected":          {line("0100007F:1F90", "01", "77"), "tcp", ""},
		"no port":            {line("0100007F:0000", "07", "77"), "udp", ""},
		"of version 6":       {line("00000000000000000000000001000000:0050", "0A", "78"), "tcp", "tcp [::1]:80 by 8; "},
		"an odd inode":       {line("0100007F:1F90", "0A", "x"), "tcp", `parse /proc/net/tcp: inode "x"`},
		"an odd address":     {line("0100007F", "0A", "77"), "tcp", `parse a socket's address: "0100007F"`},
		"another's odd line": {line("odd", "0A", "5"), "tcp", ""},
	} {
		list, err := waiting(tt.text, tt.proto, map[uint64]int{77: 7, 78: 8})
		got := ""
		for _, s := range list {
			got += fmt.Sprintf("%s %s by %d; ", s.Proto, s.Local, s.Pid)
		}
		if err != nil {
			got += err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}

func TestSocketsAddresses(t *testing.T) {
	for s, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"00000000000000000000000001000000:0050": "[::1]:80",
		"00000000:0000":                         "0.0.0.0:0",
		"":                                      "",
		"0100007F":                              "",
		"0100007F:":                             "",
		"0100007F:x":                            "",
		"0100007F:10000":                        "",
		"0100007F0:1F90":                        "", // half a byte more
		"0100007G:1F90":                         "",
		"01007F:1F90":                           "",
		"0100007F01:1F90":                       "",
		"0100007F0100007F:50":                   "",
	} {
		a, err := parseLocal(s)
		if want == "" && err == nil || want != "" && (err != nil || a.String() != want) {
			t.Errorf("parseLocal(%q) = %v, %v; want %q", s, a, err, want)
		}
	}
}

// Of sockets among open files the first who is asked is the owner.
func TestSocketsAmongFiles(t *testing.T) {
	dir := t.TempDir()
	for i, to := range []string{"/dev/null", "79", "pipe:[5]", "socket:[x]", "socket:[77]", "socket:[78]"} {
		if err := os.Symlink(to, filepath.Join(dir, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "closed"), nil, 0o600); err != nil { // no link any more
		t.Fatal(err)
	}
	owner := map[uint64]int{78: 3}
	for _, pid := range []int{5, 9} {
		if err := socketsOf(pid, dir, owner); err != nil {
			t.Error(err)
		}
	}
	if want := (map[uint64]int{77: 5, 78: 3}); !maps.Equal(owner, want) {
		t.Errorf("owners = %v; want %v", owner, want)
	}
	if err := socketsOf(5, filepath.Join(dir, "closed"), owner); err == nil || !strings.Contains(err.Error(), "list files of process 5") {
		t.Errorf("of what is no directory: %v", err)
	}
	// Who has ended has none, whether that is seen when his directory is opened
	// or when it is read.
	cmd := bystander(t, "")
	d, err := os.Open(procPath(cmd.Process.Pid, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	again := fmt.Sprintf("/proc/self/fd/%d/.", d.Fd()) // opens what has no name any more
	for _, dir := range []string{procPath(nobody, "fd"), again} {
		if err := socketsOf(5, dir, owner); err != nil {
			t.Errorf("of one who has ended, in %s: %v", dir, err)
		}
	}
}

// The network is that of the first who is still there.
func TestSocketsSeenBy(t *testing.T) {
	want, err := firstOf([]int{os.Getpid()}, "net/tcp")
	if got, gerr := firstOf([]int{nobody, os.Getpid()}, "net/tcp"); err != nil || gerr != nil || len(got) == 0 || len(want) == 0 {
		t.Errorf("firstOf = %q, %v; want as %q, %v", got, gerr, want, err)
	}
	if list, err := seenBy([]int{nobody}, map[uint64]int{1: 2}); len(list) != 0 || err != nil {
		t.Errorf("seen by none: %v, %v", list, err)
	}
}

func FuzzWaiting(f *testing.F) {
	f.Add(netTCP)
	f.Add(fmt.Sprintf("0: %032X:0050 0 0A 0 0 0 0 0 77", 1))
	f.Fuzz(func(t *testing.T, text string) {
		list, err := waiting(text, "tcp", map[uint64]int{77: 7, 78: 7})
		if err == nil && len(list) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d sockets of %q", len(list), text)
		}
		for _, s := range list {
			if !s.Local.IsValid() || s.Local.Port() == 0 || s.Pid != 7 {
				t.Fatalf("accepted %+v", s)
			}
		}
	})
}
