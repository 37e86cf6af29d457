package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
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
		"any": {"b": [1, 2.5e-3, null, -0, 9, true, false]}, "addr": "192.0.2.1", "-": 1, "Text": 2} `), &got)
	if err != nil {
		t.Fatal(err)
	}
	zero := int32(0)
	want := sample{
		base: base{-1 << 63}, Text: "a\"\\/\b\f\n\r\té😀", Flag: true, Small: 255, Big: 1<<64 - 1, Opt: &zero, List: []string{"x", "", "y"},
		Objs: []sample{{Text: "in"}, {}}, Map: map[string]sample{"k": {Small: 1}}, Any: `{"b": [1, 2.5e-3, null, -0, 9, true, false]}`,
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
		`{"flag":tru`:                             "line 1: flag: invalid JSON: expected true",
		`{"flag":fals}`:                           "line 1: flag: invalid JSON: expected false",
		`{"x":fals}`:                              "line 1: x: invalid JSON: expected false",
		`{"flag":0}`:                              "line 1: flag: must be true or false, is a number",
		`{"text":9}`:                              "line 1: text: must be a string, is a number",
		`{"text":-1}`:                             "line 1: text: must be a string, is a number",
		`{"text":true}`:                           "line 1: text: must be a string, is true or false",
		`{"text":false}`:                          "line 1: text: must be a string, is true or false",
		`{"text":[]}`:                             "line 1: text: must be a string, is an array",
		`{"text":/}`:                              "line 1: text: must be a string, is '/'",
		`{"text"::}`:                              "line 1: text: must be a string, is ':'",
		`{"small":/}`:                             "line 1: small: must be a number, is '/'",
		`{"small"::}`:                             "line 1: small: must be a number, is ':'",
		`{"small":true}`:                          "line 1: small: must be a number, is true or false",
		`{"opt":2147483648}`:                      "line 1: opt: 2147483648: must be a whole number of 32 bits",
		`{"x":/}`:                                 "line 1: x: must be a JSON value, is '/'",
		`{"x"::}`:                                 "line 1: x: must be a JSON value, is ':'",
		`{"x":`:                                   "line 1: x: must be a JSON value, is the end of the data",
		`{"map":{"a\u001b":{"small":""}}}`:        `line 1: map."a\x1b".small: must be a number, is a string`,
		`{"map":{"a\"":{"small":""}}}`:            `line 1: map."a\"".small: must be a number, is a string`,
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
		`{"text":"\u12`:                           `line 1: text: invalid JSON: \u escape that is no character`,
		`{"text":"\ud83d`:                         `line 1: text: invalid JSON: \u escape that is no character`,
		`{"text":"\ud83dxude00"}`:                 `line 1: text: invalid JSON: \u escape that is no character`,
		`{"text":"\ud83d\xde00"}`:                 `line 1: text: invalid JSON: \u escape that is no character`,
		`{"text":"\u0041`:                         "line 1: text: invalid JSON: string without an end",
		`{"text":"\na`:                            "line 1: text: invalid JSON: string without an end",
		"{\"text\":\"\\na\tb\"}":                  `line 1: text: invalid JSON: control character '\t' in a string`,
		`{"any":-.5}`:                             "line 1: any: invalid JSON: malformed number",
		`{"any":1.e5}`:                            "line 1: any: invalid JSON: malformed number",
		`{"text":"\u0000"}`:                       "line 1: text: NUL byte in a string",
		`{"addr":"nowhere"}`:                      `line 1: addr: "nowhere": ParseAddr`,
		"{\"text\":\"\xc3\"}":                     "line 1: not valid UTF-8",
		strings.Repeat(`{"objs":[`, 40):           "nested deeper than 64 levels",
		`{"x":` + strings.Repeat(`[`, 1<<20):      "nested deeper than 64 levels",
	} {
		data := []byte(text)
		_, err := Unmarshal(data[:len(data):len(data)], new(sample)) // what reads on finds nothing
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("Unmarshal(%.60s) = %v; want an *Error with %q", text, err, want)
		}
	}
}

// What nests as deep as it may is taken, and one level more is not.
func TestMaxDepth(t *testing.T) {
	for _, text := range []string{`{"x":`, `{"any":`} {
		for levels, fine := range map[int]bool{MaxDepth: true, MaxDepth + 1: false} {
			text := text + strings.Repeat("[", levels-1) + "0" + strings.Repeat("]", levels-1) + "}"
			if _, err := Unmarshal([]byte(text), new(sample)); (err == nil) != fine {
				t.Errorf("Unmarshal of %d levels = %v", levels, err)
			}
		}
	}
}

// What a value held before is not in it any more.
func TestValuesAreReplaced(t *testing.T) {
	held := []string{"a", "b"}
	objects := make([]sample, 1, 8)
	objects[:2][1].Text = "held"
	got := sample{Flag: true, Small: 1, List: held, Objs: objects, Map: map[string]sample{"k": {Text: "held"}, "l": {}}}
	if _, err := Unmarshal([]byte(`{"flag":false,"small":0,"list":["c"],"objs":[{},{}],"map":{"k":{}}}`), &got); err != nil {
		t.Fatal(err)
	}
	if want := (sample{List: []string{"c"}, Objs: []sample{{}, {}}, Map: map[string]sample{"k": {}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v; want %+v", got, want)
	}
	if held[0] != "a" {
		t.Errorf("the list that was held has %q now: another may hold it still", held[0])
	}
}

// Where a type has no decoder that is said, even of nothing in it.
func TestTypesWithoutADecoder(t *testing.T) {
	for _, c := range []struct {
		target     any
		text, want string
	}{
		{new(float64), "1", "line 1: no decoder for float64"},
		{new(map[int]string), "{}", "line 1: no decoder for map[int]string"},
		{new(map[int]string), `{"1":"x"}`, "line 1: no decoder for map[int]string"},
	} {
		if _, err := Unmarshal([]byte(c.text), c.target); err == nil || err.Error() != c.want {
			t.Errorf("Unmarshal of %s = %v; want %s", c.text, err, c.want)
		}
	}
}

func TestTargetMustBeAPointer(t *testing.T) {
	for _, target := range []any{nil, sample{}, (*sample)(nil)} {
		if _, err := Unmarshal([]byte("null"), target); err == nil {
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

type (
	word  string
	Inner struct{ A, B int }
)

// Which fields a type has, and under which names, is as encoding/json has it.
func TestFields(t *testing.T) {
	type all struct {
		base
		word
		Inner  `json:"tagged"`
		Field  Inner
		Named  int `json:"other"`
		hidden int
		Not    int `json:"-"`
	}
	value := all{word: "x", hidden: 1}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	fields := Fields(reflect.TypeOf(value))
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, " "), "major tagged Field other"; got != want {
		t.Errorf("fields are %s; want %s", got, want)
	}
	if again := Fields(reflect.TypeOf(value)); &again[0] != &fields[0] {
		t.Error("a type's fields are found out twice: that is slow")
	}
	if got, err := Marshal(value); err != nil || string(got) != string(encoded) {
		t.Errorf("Marshal = %s, %v; want %s", got, err, encoded)
	}
}

// As many fields as bits in a word, and not one more.
func TestMostFields(t *testing.T) {
	fields := func(n int) (refused bool) {
		defer func() { refused = recover() != nil }()
		list := make([]reflect.StructField, n)
		for i := range list {
			list[i] = reflect.StructField{Name: fmt.Sprint("F", i), Type: reflect.TypeFor[int]()}
		}
		value := reflect.New(reflect.StructOf(list))
		last := fmt.Sprint("F", n-1)
		if _, err := Unmarshal([]byte(`{"`+last+`":1,"`+last+`":1}`), value.Interface()); err == nil {
			t.Errorf("of %d fields the last may be there twice", n)
		}
		return false
	}
	if fields(64) {
		t.Error("a type of 64 fields is refused")
	}
	if !fields(65) {
		t.Error("a type of 65 fields is taken: the last is never seen twice")
	}
}
