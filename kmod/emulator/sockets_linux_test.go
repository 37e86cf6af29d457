package emulator

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
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
