package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// many is n times x, comma-separated.
func many(x string, n int) string { return strings.TrimSuffix(strings.Repeat(x+",", n), ",") }

// A short document that would be a large thing in memory is refused before it is
// one.
func TestCostOfDocuments(t *testing.T) {
	index := func(list string) string { return `{"schemaVersion":2,"manifests":[` + list + `]}` }
	manifest := func(list string) string { return `{"schemaVersion":2,"config":{},"layers":[` + list + `]}` }
	var members, volumes strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&members, `,"%x":0`, i)
		fmt.Fprintf(&volumes, `,"/%x":{}`, i)
	}
	var err error
	for name, c := range map[string]struct {
		data  string
		parse func(data []byte)
		want  string
	}{
		"1.4 million manifests": {index(many("{}", 1_390_000)), func(d []byte) { _, err = ParseIndex(d, "") }, "values, at most"},
		"20,001 manifests":      {index(many("{}", 20_001)), func(d []byte) { _, err = ParseIndex(d, "") }, `member "manifests": more than 20000`},
		"20,000 manifests":      {index(many("{}", 20_000)), func(d []byte) { _, err = ParseIndex(d, "") }, ""},
		"commas in strings":     {`{"schemaVersion":2,"manifests":[],"x":["` + strings.Repeat(`\",`, 300_000) + `"]}`, func(d []byte) { _, err = ParseIndex(d, "") }, ""},
		"many members":          {`{"schemaVersion":2,"manifests":[]` + members.String() + `}`, func(d []byte) { _, err = ParseIndex(d, "") }, "values, at most"},
		"20,001 layers":         {manifest(many("{}", 20_001)), func(d []byte) { _, err = ParseManifest(d, "") }, `member "layers": more than 20000`},
		"a long history":        {`{"history":[` + many("{}", 1_390_000) + `]}`, func(d []byte) { _, err = ParseConfig(d) }, "values, at most"},
		"300,000 volumes":       {`{"config":{"Volumes":{` + volumes.String()[1:] + `}}}`, func(d []byte) { _, err = ParseConfig(d) }, "at most"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c.parse([]byte(c.data))
		runtime.ReadMemStats(&after)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v; want %q", name, err, c.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 50<<20 {
			t.Errorf("%s: %d bytes allocated for a document of %d", name, used, len(c.data))
		}
	}
}

// Each value counts, and nothing in a string does: what is one too many is refused.
func TestCostCounts(t *testing.T) {
	for begin, values := range map[string]int{
		"": 0, "{": 1, "[": 1, ",": 1, `"{[,"`: 0, `"\",["`: 0, `"\\",`: 1, `\[`: 1, `"a":[1,{`: 3,
	} {
		rest := strings.Repeat(",", maxValues-values)
		if err := checkCost([]byte(begin + rest)); err != nil {
			t.Errorf("%s and %d values more: %v", begin, len(rest), err)
		}
		if err := checkCost([]byte(begin + rest + ",")); err == nil || !strings.Contains(err.Error(), "200001 values, at most 200000") {
			t.Errorf("%s and %d values more: error is %v", begin, len(rest)+1, err)
		}
	}
	large := `{"x":[` + many("0", maxValues) + `]}`
	for name, parse := range map[string]func(data []byte) error{
		"config":   func(d []byte) error { _, err := ParseConfig(d); return err },
		"manifest": func(d []byte) error { _, err := ParseManifest(d, ""); return err },
	} {
		if err := parse([]byte(large)); err == nil || !strings.Contains(err.Error(), "values, at most") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestShape(t *testing.T) {
	for data, want := range map[string]string{
		`{"must":0}`: "", `{"must":0,"list":[{}]}`: "", `{"list":[],"must":0,"other":0}`: "",
		`{}`: `no member "must"`, `{"Must":0}`: `no member "must"`, `{"other":{"must":0}}`: `no member "must"`,
		`{"must":0,"not":0}`: "two kinds", `{"NOT":0,"must":0}`: "two kinds", `{"must":0,"no":0,"nor":0}`: "two kinds",
		`{"must":0,"MUST":0}`: "occurs twice", `{"must":0,"x":0,"x":1}`: "occurs twice", `{"must":0,"k":0,"` + "\u212a" + `":0}`: "occurs twice", `{"must":0,"s":0,"` + "\u017f" + `":0}`: "occurs twice",
		`{"must`: "unexpected end", `{"must":"\`: "string escape code", `[]`: "cannot unmarshal",
		`{"must":0,"list":[` + many("0", maxList) + `]}`:                     "",
		`{"must":0,"x":[` + many("0", maxList+1) + `]}`:                      "",
		`{"must":0,"LIST":[` + many("0", maxList+1) + `]}`:                   `member "list": more than 20000`,
		`{"must":0,"list":{"a":[` + many("0", maxList+1) + `],"b":[1,2,3]}}`: "",
	} {
		err := checkShape([]byte(data), "T", "must", "list", "not", "nor")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s: error is %v; want %q", data, err, want)
		}
	}
}

func TestMembers(t *testing.T) {
	for data, want := range map[string]string{
		`{}`: "", `{"a":1}`: "a 0", `{"a":"b","c":[]}`: "a 0, c 0", `{"a":[1]}`: "a 1", `{"a":["x"],"b":["x","y"]}`: "a 1, b 2",
		`{"a":[[1,2,3],{"b":[4,5]}]}`: "a 2", `{"a":{"b":1,"c":[1,2]}}`: "a 2", `{"a":[[]],"b":[{}]}`: "a 1, b 1",
		`{"a\"b":0,"c":"\\"}`: `a"b 0, c 0`, " { \"a\" :\t[ 1 ,\n\"]\" ] , \"b\" : {\r} } ": "a 2, b 0", `{"a":{"b":{"c":{}}},"d":"}"}`: "a 1, d 0",
	} {
		var got []string
		err := members([]byte(data), func(name string, elements int) error {
			got = append(got, fmt.Sprint(name, " ", elements))
			return nil
		})
		if err != nil || strings.Join(got, ", ") != want {
			t.Errorf("members of %s are %q, %v; want %s", data, got, err, want)
		}
	}
	stop := errors.New("stop")
	if err := members([]byte(`{"a":0,"b":0}`), func(string, int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error is %v", err)
	}
}

// documents are blobs in memory.
type documents map[digest.Digest][]byte

func (docs documents) add(mediaType string, v any) v1.Descriptor {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	docs[d.Digest] = data
	return d
}

func (docs documents) ReadBlob(d v1.Descriptor) ([]byte, error) {
	if data, ok := docs[d.Digest]; ok {
		return data, nil
	}
	return nil, verify.ErrMismatch
}

// An error doesn't list thousands of platforms, and nobody looks through
// thousands of indexes for one.
func TestManyPlatforms(t *testing.T) {
	docs := documents{}
	index := func(n, from int) v1.Descriptor {
		x := v1.Index{Versioned: Schema2, MediaType: v1.MediaTypeImageIndex}
		for i := range n {
			x.Manifests = append(x.Manifests, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.Digest(fmt.Sprint("sha256:", from+i)), Platform: &v1.Platform{OS: "plan9", Architecture: fmt.Sprint("m", i)}})
		}
		return docs.add(v1.MediaTypeImageIndex, x)
	}
	want := Want{Platform: v1.Platform{OS: "netbsd", Architecture: "amd64"}, Limits: image.DefaultLimits()}
	_, err := Choose(docs, []v1.Descriptor{index(10_000, 0)}, want)
	var none *PlatformError
	if !errors.As(err, &none) || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "9980 more") {
		t.Errorf("error is %.3000v; want the first few platforms", err)
	}
	_, err = Choose(docs, []v1.Descriptor{index(10_000, 0), index(10_001, 10_000)}, want)
	if err == nil || !strings.Contains(err.Error(), "more than 20000 descriptors") {
		t.Errorf("error is %.300v; want one about the number", err)
	}
}

// The members that are counted without being decoded are those that encoding/json
// sees.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2,{"b":[3,4]}],"c":"x\"],{"}`, ` { "a" : [ ] , "a" : [ "" , [] ] } `, `{"a":{"x":1,"y":2},"\u0061":null}`, `{"":[{},{}]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var whole map[string]json.RawMessage
		if json.Unmarshal([]byte(s), &whole) != nil || whole == nil {
			return
		}
		seen := map[string]bool{}
		err := members([]byte(s), func(name string, elements int) error {
			seen[name] = true
			var list []json.RawMessage
			if json.Unmarshal(whole[name], &list) == nil && list != nil && strings.Count(s, `"`) == 2*len(whole) && elements != len(list) {
				t.Errorf("member %q of %q has %d elements; counted %d", name, s, len(list), elements)
			}
			return nil
		})
		if err != nil || len(seen) != len(whole) {
			t.Errorf("members of %q: %v, %v; want %d", s, seen, err, len(whole))
		}
	})
}

var _ image.Documents = documents{}
