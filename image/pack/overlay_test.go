package pack

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/netbsd-cells/runcell/image/manifest"
)

// FuzzOverlay: whatever the old config is, and however its members are spelled, who
// reads the new one finds what was set, and where it was before.
func FuzzOverlay(f *testing.F) {
	for _, s := range []string{
		`{"config":{"Cmd":["a"],"Env":["A=1"],"Healthcheck":{}},"os":"linux","x":1}`, `{"Config":{"cmd":["a"]},"CONFIG":{"CMD":["b"]},"OS":"x","oS":"y"}`,
		`{"config":null,"history":null}`, `{"config":{"ſtopſignal":"x","labelſ":{"a":"b"}}}`, `{"created":"2020-01-01T00:00:00Z","config":{"Cmd":[],"cmd":["x"]}}`, `null`, `{"config":{},"config":{"User":"x"}}`,
		`{"rootfs":{"type":"layers"},"ROOTFS":{"type":"x"},"os.version":"1","OS.version":"2","config":{"argsescaped":false,"ArgsEscaped":true}}`,
	} {
		f.Add([]byte(s), "cmd")
	}
	f.Fuzz(func(t *testing.T, data []byte, what string) {
		cfg, err := manifest.ParseConfig(data)
		if err != nil {
			return
		}
		if unset(cfg, what) != nil {
			return
		}
		cfg.Config.Env, cfg.Config.User, cfg.Author = []string{"B=2"}, "1", "me"
		whole, err := overlaid(data, cfg)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		made, err := json.Marshal(whole)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		again, err := manifest.ParseConfig(made)
		if err != nil {
			t.Fatalf("%q became %s: %v", data, made, err)
		}
		// A list without elements is none, and a time has an instant.
		one, _ := json.Marshal(cfg)
		two, _ := json.Marshal(again)
		if string(one) != string(two) && !reflect.DeepEqual(cfg, again) {
			t.Fatalf("%q became %s\nwhich is  %s\nand not  %s", data, made, two, one)
		}
	})
}
