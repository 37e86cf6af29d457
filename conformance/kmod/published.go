package kmod

// A client of the published module: it knows nothing but the published
// structures, by literal offsets, as programs do that were built before the
// other nodes existed.

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/node"
)

// publishedCreate fills in the 424 bytes that create takes.
func publishedCreate(name, root string, profile uint32, ports []uint16, nofile uint64) []byte {
	b := make([]byte, 424)
	put := binary.NativeEndian
	flags := uint32(0x1) // a profile is given
	put.PutUint32(b[8:], profile)
	if len(ports) > 0 {
		flags |= 0x2
		put.PutUint16(b[12:], uint16(len(ports)))
		for i, p := range ports {
			put.PutUint16(b[14+2*i:], p)
		}
	}
	if nofile > 0 {
		flags |= 0x4
		put.PutUint64(b[80:], nofile)
	}
	put.PutUint32(b[0:], flags)
	copy(b[104:104+63], name)
	copy(b[168:168+255], root)
	return b
}

// publishedInfo is what the client reads of a record of 400 bytes.
type publishedInfo struct {
	id, flags                 uint32
	references, processes     uint64
	name, root                string
	created, nofile, as, core uint64
}

func publishedList(b []byte) []publishedInfo {
	text := func(b []byte) string {
		s, _, _ := bytes.Cut(b, []byte{0})
		return string(s)
	}
	get := binary.NativeEndian
	var list []publishedInfo
	for ; len(b) >= 400; b = b[400:] {
		list = append(list, publishedInfo{
			id: get.Uint32(b[0:]), flags: get.Uint32(b[4:]), references: get.Uint64(b[8:]),
			name: text(b[16:80]), root: text(b[80:336]), created: get.Uint64(b[336:]), processes: get.Uint64(b[344:]),
			nofile: get.Uint64(b[376:]), as: get.Uint64(b[384:]), core: get.Uint64(b[392:]),
		})
	}
	return list
}

var published = []harness.Case{
	{
		Name: "published/life", Clause: "nodes create, id, list, destroy", Does: "a client of the published module creates, enters, lists and destroys", OS: netbsd,
		Run: in(func(w *world) {
			b := publishedCreate("published-"+w.Token, w.root, 2, []uint16{9500, 9501}, 512)
			r := (&node.Call{Name: "create", Request: b, Room: 424}).Do()
			if r.Errno != "" || len(r.Bytes) != 424 {
				w.Fatalf("create = %s, %d bytes; want ok, 424", r.Result(), len(r.Bytes))
			}
			id := binary.NativeEndian.Uint32(r.Bytes[4:])
			idBytes := r.Bytes[4:8]
			if !bytes.Equal(r.Bytes[8:], b[8:]) {
				w.Errorf("the reply differs from the request")
			}
			m := w.unconfined(0)
			m.must("admit", w.root, strconv.FormatUint(uint64(id), 10))
			m.must("exec")
			m.want("EPERM", "chroot")
			m.want("EPERM", "mknod", "/dev/null")
			var info publishedInfo
			w.Eventually(func() bool {
				list := publishedList((&node.Call{Name: "list", Room: 1 << 20}).Do().Bytes)
				for _, x := range list {
					if x.id == id {
						info = x
					}
				}
				return info.processes == 1
			}, "the list does not have the cell with its process: %+v", &info)
			if info.name != "published-"+w.Token || info.root != w.root || info.flags != 0x7 || info.references == 0 ||
				info.created == 0 || info.nofile != 512 || info.as != 0 || info.core != 0 {
				w.Errorf("the record is %+v", info)
			}
			if r := (&node.Call{Name: "destroy", Request: idBytes}).Do(); r.Errno != "EBUSY" {
				w.Errorf("destroy with a process = %s; want EBUSY", r.Result())
			}
			m.close()
			if r := (&node.Call{Name: "destroy", Request: idBytes}).Do(); r.Errno != "" {
				w.Errorf("destroy = %s; want ok", r.Result())
			}
		}),
	},
	{
		Name: "published/ports", Clause: "node create: cc_ports", Does: "ports of the published structure are the cell's on every address, tcp and udp", OS: netbsd,
		Run: in(func(w *world) {
			port := w.freePort()
			b := publishedCreate("published-"+w.Token, w.root, 0, []uint16{port}, 0)
			r := (&node.Call{Name: "create", Request: b, Room: 424}).Do()
			if r.Errno != "" {
				w.Fatalf("create = %s", r.Result())
			}
			m := w.agent(w.cell(w.high(nil)), entry{})
			for _, proto := range []string{"tcp", "udp"} {
				m.want("EACCES", "bind", proto, at(own, port))
				m.want("EACCES", "bind", proto, at(wildcard, port))
			}
			if r := (&node.Call{Name: "destroy", Request: r.Bytes[4:8]}).Do(); r.Errno != "" {
				w.Errorf("destroy = %s; want ok", r.Result())
			}
		}),
	},
}
