package ledger

import (
	"slices"
	"strings"
	"testing"
)

const small = `# a comment
class own  what it does with itself is its own

syscall  getpid  -                 root,user  own
syscall  getsid  victim,neighbour  root       own: the number only
device   c2.2.r  -                 root       maybe own
effect   linux/tkill..tgkill  victim.life  root  own
`

func parse(t *testing.T, text string) *List {
	t.Helper()
	l, err := Parse("test", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLoad reads the list of this tree.
func TestLoad(t *testing.T) {
	l, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for class, means := range l.Classes {
		if len(means) < 20 {
			t.Errorf("class %s means %q: too short for a reason", class, means)
		}
	}
	for _, e := range l.Entries {
		for _, who := range e.As {
			if who != "root" && who != "user" {
				t.Errorf("%s: nobody tries as %q", e.Where, who)
			}
		}
	}
}

func TestParse(t *testing.T) {
	l := parse(t, small)
	if len(l.Entries) != 4 || len(l.Classes) != 1 || !l.Entries[2].Maybe || l.Entries[0].Maybe {
		t.Errorf("Parse = %+v", l)
	}
	if e := l.Entries[1]; e.Where != "test:5" || e.Why != "own: the number only" || len(e.outcomes()) != 2 {
		t.Errorf("entry = %+v", e)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "class own what is its own\nsyscall a - root own\n"
	for want, text := range map[string]string{
		"needs a kind":       good + "syscall getpid root own",
		"no class":           good + "syscall getpid - root because",
		"no word":            good + "syscall get*pid - root own",
		"is in test:2":       good + "syscall a - user,root own",
		"a name and a sente": "class own",
		"there twice":        good + "class own what is its own",
		"has no line":        "class own what is its own",
		"begins with no":     good + "syscall b - root own:",
		"token too long":     good + strings.Repeat("x", maxLine+1),
	} {
		if _, err := Parse("test", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v; want %q", text, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	l := parse(t, small)
	all := []Outcome{
		{"syscall", "getpid", "-", "root"},
		{"syscall", "getpid", "-", "user"},
		{"syscall", "getsid", "victim", "root"},
		{"syscall", "getsid", "neighbour", "root"},
	}
	for _, x := range []struct {
		name       string
		happened   []Outcome
		kinds, as  []string
		new, stale []string
	}{
		{"as it should be", all, []string{"syscall"}, []string{"root", "user"}, nil, nil},
		{
			"more", slices.Concat(all, all, []Outcome{{"syscall", "kill", "victim", "root"}, {"syscall", "kill", "init", "root"}, {"syscall", "getsid", "victim", "user"}}),
			[]string{"syscall"},
			[]string{"root", "user"},
			[]string{"syscall getsid victim user", "syscall kill init,victim root"},
			nil,
		},
		{"less", all[:3], []string{"syscall"}, []string{"root", "user"}, nil, []string{"syscall getsid neighbour root"}},
		{"as root only", all[:1], []string{"syscall"}, []string{"root"}, nil, []string{"syscall getsid neighbour,victim root"}},
		{"what may be there or not", nil, []string{"device"}, []string{"root"}, nil, nil},
		{"an effect that is allowed", []Outcome{Effect("linux", "tkill..tgkill", "victim.life", "root")}, []string{"linux"}, []string{"root"}, nil, nil},
		{"an effect that is not", []Outcome{Effect("device", "c2", "init.life", "root")}, []string{"device"}, []string{"root"}, []string{"effect device/c2 init.life root"}, nil},
		{"an effect that did not happen", nil, []string{"linux"}, []string{"root"}, nil, []string{"effect linux/tkill..tgkill victim.life root"}},
	} {
		d := l.Compare(x.happened, x.kinds, x.as)
		if !slices.Equal(d.New, x.new) || !slices.Equal(d.Stale, x.stale) {
			t.Errorf("%s: new %q, stale %q; want %q, %q", x.name, d.New, d.Stale, x.new, x.stale)
		}
	}
}

// TestLinesAreAccepted: what is printed as new can be put into the list.
func TestLinesAreAccepted(t *testing.T) {
	happened := []Outcome{{"ioctl", "pts.0x20007461", "-", "root"}, {"ioctl", "pts.0x20007461", "-", "user"}, Effect("syscall", "kill", "victim.life", "user")}
	text := "class why because it is so\n"
	for _, line := range Lines(happened) {
		text += line + " why\n"
	}
	d := parse(t, text).Compare(happened, []string{"ioctl", "syscall"}, []string{"root", "user"})
	if len(d.New)+len(d.Stale) > 0 {
		t.Errorf("%s: new %q, stale %q; want none", text, d.New, d.Stale)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add("class a b c\nx y z w a: more\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		// What the list itself allows is neither new nor stale.
		var all []Outcome
		var kinds, as []string
		for _, e := range l.Entries {
			all = append(all, e.outcomes()...)
			kinds, as = append(kinds, e.Kind), append(as, e.As...)
		}
		if d := l.Compare(all, kinds, as); len(d.New)+len(d.Stale) > 0 {
			t.Errorf("list %q: new %q, stale %q", text, d.New, d.Stale)
		}
	})
}
