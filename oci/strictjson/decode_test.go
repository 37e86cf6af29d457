package strictjson

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

type base struct {
	Major int64 `json:"major"`
}

type sample struct {
	base
	Text  string            `json:"text"`
	Flag  bool              `json:"flag,omitempty"`
	Small uint8             `json:"small"`
	Big   uint64            `json:"big"`
	Opt   *int32            `json:"opt"`
	List  []string          `json:"list"`
	Objs  []sample          `json:"objs"`
	Map   map[string]sample `json:"map"`
	Any   any               `json:"any"`
	Addr  netip.Addr        `json:"addr"`
	Skip  string            `json:"-"`
}

func TestUnmarshal(t *testing.T) {
	var got sample
	unknown, err := Unmarshal([]byte(` {"major": -9223372036854775808, "text": "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00", "flag": true, "small": 255,
		"big": 18446744073709551615, "opt": 0, "list": ["x", "", "y"], "objs": [{"text": "in"}, {}], "map": {"k": {"small": 1}},
		"any": {"b": [1, 2.5e-3, null]}, "addr": "192.0.2.1", "-": 1, "Text": 2} `), &got)
	if err != nil {
		t.Fatal(err)
	}
	zero := int32(0)
	want := sample{
		base: base{-1 << 63}, Text: "a\"\\/\b\f\n\r\té😀", Flag: true, Small: 255, Big: 1<<64 - 1, Opt: &zero, List: []string{"x", "", "y"},
		Objs: []sample{{Text: "in"}, {}}, Map: map[string]sample{"k": {Small: 1}}, Any: `{"b": [1, 2.5e-3, null]}`,
		Addr: netip.MustParseAddr("192.0.2.1"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(unknown) != 2 || unknown[0].Field != "-" || unknown[1].Field != "Text" || unknown[1].Struct != reflect.TypeFor[sample]() {
		t.Errorf("unknown = %v; want the keys - and Text", unknown)
	}
}

// The path of one field is never that of another, and says which type lacks it,
// below a map, too.
func TestUnknownFieldsAreTold(t *testing.T) {
	var got sample
	unknown, err := Unmarshal([]byte(`{"objs.text":1,"":2,"objs":[{"a[0]":3}],"map":{"k.text":{"b c":4}}}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, u := range unknown {
		list = append(list, u.Field+"="+u.Name)
		if u.Struct != reflect.TypeFor[sample]() {
			t.Errorf("%s is lacking in %v; want sample", u.Field, u.Struct)
		}
	}
	if want := `"objs.text"=objs.text ""= objs[0]."a[0]"=a[0] map.k.text."b c"=b c`; strings.Join(list, " ") != want {
		t.Errorf("unknown fields are %s; want %s", strings.Join(list, " "), want)
	}
}

func TestNullLeavesAsItIs(t *testing.T) {
	got := sample{Text: "x", List: []string{"y"}}
	if _, err := Unmarshal([]byte(`{"text":null,"list":null,"opt":null,"map":null,"objs":null,"any":null}`), &got); err != nil {
		t.Fatal(err)
	}
	if want := (sample{Text: "x", List: []string{"y"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v; want %+v", got, want)
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                                "line 1: must be an object, is the end of the data",
		`{"text":"a"} x`:                  "line 1: data after the end of the JSON value",
		`{"text":"a"`:                     `line 1: invalid JSON: ends where '}' is expected`,
		`{"text" "a"}`:                    `line 1: invalid JSON: '"' where ':' is expected`,
		`{"objs":[{},{"list":["a",{}]}]}`: "line 1: objs[1].list[1]: must be a string, is an object",
		"{\n\n\"map\":{\"a b\":{\"small\":256}}}": `line 3: map."a b".small: 256: must be a whole number from 0, of 8 bits`,
		`{"text":"a","text":"b"}`:                 "line 1: text: duplicate key",
		`{"x":{},"x":{}}`:                         "line 1: x: duplicate key",
		`{"map":{"a":{},"a":{}}}`:                 "line 1: map.a: duplicate key",
		`{"flag":truth}`:                          "line 1: flag: invalid JSON: expected true",
		`{"flag":"true"}`:                         "line 1: flag: must be true or false, is a string",
		`{"small":01}`:                            "'1' where '}' is expected",
		`{"small":-}`:                             "line 1: small: invalid JSON: malformed number",
		`{"small":1.}`:                            "line 1: small: invalid JSON: malformed number",
		`{"big":1e2}`:                             "line 1: big: 1e2: must be a whole number from 0, of 64 bits",
		`{"text":"\x"}`:                           `line 1: text: invalid JSON: escape "\\x" in a string`,
		`{"text":"\u12"}`:                         `line 1: text: invalid JSON: \u escape that is no character`,
		"{\"text\":\"a\tb\"}":                     `line 1: text: invalid JSON: control character '\t' in a string`,
		`{"text":"a`:                              "line 1: text: invalid JSON: string without an end",
		`{"text":"a\`:                             "line 1: text: invalid JSON: string without an end",
		`{"text":"\u0000"}`:                       "line 1: text: NUL byte in a string",
		`{"addr":"nowhere"}`:                      `line 1: addr: "nowhere": ParseAddr`,
		"{\"text\":\"\xc3\"}":                     "line 1: not valid UTF-8",
		strings.Repeat(`{"objs":[`, 40):           "nested deeper than 64 levels",
		`{"x":` + strings.Repeat(`[`, 1<<20):      "nested deeper than 64 levels",
	} {
		_, err := Unmarshal([]byte(text), new(sample))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("Unmarshal(%.60s) = %v; want an *Error with %q", text, err, want)
		}
	}
}

func TestTargetMustBeAPointer(t *testing.T) {
	for _, target := range []any{nil, sample{}, (*sample)(nil)} {
		if _, err := Unmarshal([]byte("{}"), target); err == nil {
			t.Errorf("Unmarshal into %T succeeded", target)
		}
	}
}

// FuzzUnmarshal: what this decoder accepts, encoding/json accepts with the
// same result. Unknown keys are left out: encoding/json matches them by case.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"text":"a\u00e9","list":["b"],"opt":-1,"objs":[{"small":2}],"map":{"k":{}},"big":18446744073709551615}`))
	f.Add([]byte(`{"addr":"::1","flag":false,"major":0}`))
	f.Add([]byte(`{"list":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want sample
		unknown, err := Unmarshal(data, &got)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("accepted what is not JSON: %q", data)
		}
		if len(unknown) > 0 || got.Any != nil {
			return
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		g, err := Marshal(&got)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := json.Marshal(want)
		if !sameJSON(t, g, w) {
			t.Fatalf("%s\n got %s\nwant %s", data, g, w)
		}
	})
}
