// Command gen writes the module's C header and the reference for developers
// from the wire's structures: go generate ./kmod/wire.
package main

import (
	"fmt"
	"os"
	"reflect"

	"github.com/netbsd-cells/runcell/kmod/wire"
)

// structs are the structures in the order of the output, by their C names.
var structs = []struct {
	name, of string
	value    any
}{
	{"cell_create", "request and reply of create", wire.Create{}},
	{"cell_info", "an entry of list", wire.Info{}},
	{"cell_addr", "an address in struct cell_policy", wire.Address{}},
	{"cell_port", "a port in struct cell_policy", wire.Port{}},
	{"cell_device", "a device in struct cell_policy", wire.Device{}},
	{"cell_policy", "request and reply of policy", wire.Policy{}},
	{"cell_kill", "request of kill", wire.Kill{}},
	{"cell_stats", "reply of stats", wire.Stats{}},
	{"cell_status", "reply of status", wire.Status{}},
}

// constants are those of the header, in groups.
var constants = [][]struct {
	name  string
	value int
}{
	{{"CELL_ABI_VERSION", wire.Version}},
	{{"CELL_NAME_MAX", wire.NameMax}, {"CELL_ROOT_MAX", wire.RootMax}, {"CELL_PORT_MAX", wire.PortMax}, {"CELL_ADDRESS_MAX", wire.AddressMax}, {"CELL_DEVICE_MAX", wire.DeviceMax}},
	{{"CELL_POLICY_SIZE_2", wire.PolicySize2}},
	{
		{"CELL_CREATE_PROFILE", wire.CreateProfile},
		{"CELL_CREATE_PORTS", wire.CreatePorts},
		{"CELL_CREATE_RLIMIT_NOFILE", wire.CreateRlimitNofile},
		{"CELL_CREATE_RLIMIT_AS", wire.CreateRlimitAS},
		{"CELL_CREATE_RLIMIT_CORE", wire.CreateRlimitCore},
	},
	{{"CELL_FAMILY_ANY", wire.FamilyAny}, {"CELL_FAMILY_IP4", wire.FamilyIP4}, {"CELL_FAMILY_IP6", wire.FamilyIP6}},
	{{"CELL_PROTO_ANY", wire.ProtoAny}, {"CELL_PROTO_TCP", wire.ProtoTCP}, {"CELL_PROTO_UDP", wire.ProtoUDP}},
	{{"CELL_NETWORK_HOST", wire.NetworkHost}, {"CELL_NETWORK_ADDRESSES", wire.NetworkAddresses}, {"CELL_NETWORK_NONE", wire.NetworkNone}},
	{{"CELL_DEVICE_CHARACTER", wire.DeviceCharacter}, {"CELL_DEVICE_BLOCK", wire.DeviceBlock}},
	{{"CELL_STATS_ENTERED", wire.StatsEntered}, {"CELL_STATS_DYING", wire.StatsDying}},
	{{"CELL_STATE_EMPTY", wire.StateEmpty}, {"CELL_STATE_RUNNING", wire.StateRunning}, {"CELL_STATE_ENDED", wire.StateEnded}},
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: gen HEADER PAGE")
		os.Exit(1)
	}
	for i, text := range [][]byte{header(), page()} {
		if err := os.WriteFile(os.Args[i+1], text, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}

// field is one member of a structure.
type field struct {
	c      string // its C name
	typ    string // its C type, without array bounds
	bounds string // "[32]" or nothing
	doc    string
	offset int
	size   int
}

// fields lays out a structure. It panics on padding: the formats have none.
func fields(v any) (list []field, size int) {
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		f := t.Field(i)
		one := field{c: f.Tag.Get("c"), doc: f.Tag.Get("doc"), offset: int(f.Offset), size: int(f.Type.Size())}
		elem := f.Type
		if elem.Kind() == reflect.Array {
			one.bounds = fmt.Sprintf("[%d]", elem.Len())
			elem = elem.Elem()
		}
		one.typ = ctype(f, elem)
		if one.c == "" || one.doc == "" || one.offset != size {
			panic(fmt.Sprintf("%s.%s: no C name, no text, or padding before it", t.Name(), f.Name))
		}
		size += one.size
		list = append(list, one)
	}
	if size != int(t.Size()) {
		panic(t.Name() + ": padding at its end")
	}
	return list, size
}

// ctype is the C type of an element. Text is of bytes, numbers of uint8.
func ctype(f reflect.StructField, elem reflect.Type) string {
	for _, s := range structs {
		if reflect.TypeOf(s.value) == elem {
			return "struct " + s.name
		}
	}
	if elem.Kind() == reflect.Uint8 && (f.Name == "Name" || f.Name == "Root") {
		return "char"
	}
	return elem.Kind().String() + "_t"
}
