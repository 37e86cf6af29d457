package strictjson

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"testing"
)

// sameJSON compares documents; encoding/json escapes more characters.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%v\n%s", err, a)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

func TestMarshalIsEncodingJSONs(t *testing.T) {
	opt := int32(-7)
	type odd struct {
		Zero   netip.Addr `json:"zero,omitzero"`
		Empty  []string   `json:"empty,omitempty"`
		Nil    []string   `json:"nil"`
		NilMap map[string]int
		Ptr    *uint16 `json:"ptr,omitempty"`
		Struct struct {
			A int `json:"a"`
		} `json:"struct,omitempty"`
	}
	for _, v := range []any{
		odd{Zero: netip.MustParseAddr("192.0.2.1"), Empty: []string{""}},
		sample{},
		&sample{
			base: base{math.MinInt64}, Text: "a\"\\/\b\x01é😀<&>", Big: math.MaxUint64, Opt: &opt, List: []string{"", "x"},
			Objs: []sample{{}}, Map: map[string]sample{"b": {}, "a": {Small: 1}}, Addr: netip.MustParseAddr("2001:db8::1"),
		},
		odd{},
		[]int{1, 2},
		map[string]string(nil), (*sample)(nil), "text", true,
	} {
		got, err := Marshal(v)
		if err != nil {
			t.Errorf("Marshal(%+v): %v", v, err)
			continue
		}
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !sameJSON(t, got, want) {
			t.Errorf("Marshal(%+v)\n got %s\nwant %s", v, got, want)
		}
	}
}

// As short as JSON lets it be, and no byte that is not of a character.
func TestMarshalOfStrings(t *testing.T) {
	for text, want := range map[string]string{
		"\x1f\x20\x7f": `"\u001f ` + "\x7f" + `"`,
		"\u0080é\x80":  `"` + "\u0080" + `é` + "\ufffd" + `"`,
	} {
		if got, err := Marshal(text); err != nil || string(got) != want {
			t.Errorf("Marshal(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	for _, v := range []any{1.5, []byte("x"), map[int]int{1: 1}, func() {}, nil} {
		if b, err := Marshal(v); err == nil {
			t.Errorf("Marshal(%v) = %s; want an error", v, b)
		}
	}
}
