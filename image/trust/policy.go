package trust

// The policy: which images are used, by how their names begin.
//
//	# whom we trust
//	registry.example.com/        key /etc/runcell/owner.pub
//	registry.example.com/        key deputy.pub
//	docker.io/library/alpine     accept
//	localhost/                   accept
//	default                      refuse
//
// A line has a PREFIX and what it means; the longest one that fits decides. One that
// ends in a slash is everything below; another one is a repository, with all its
// tags, or one name with a tag or digest. Without a line "default" the rest is
// refused.

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/reference"
)

// What a line says.
const (
	actionAccept = "accept"
	actionRefuse = "refuse"
	actionKey    = "key"
)

// restPrefix stands for all names.
const restPrefix = "default"

// maxPolicy is how long a policy may be, in lines.
const maxPolicy = 10_000

// Rule is what a policy says about an image.
type Rule struct {
	Prefix string
	Line   int // 0: there is none
	Action string
	Keys   []string // files
}

// Accepts tells whether the image is used without a signature.
func (r Rule) Accepts() bool { return r.Action == actionAccept }

// Refuses tells whether no signature would help.
func (r Rule) Refuses() bool { return r.Action != actionAccept && r.Action != actionKey }

// String is the rule as a message names it.
func (r Rule) String() string {
	if r.Line == 0 {
		return "the policy, which has no line for it,"
	}
	return fmt.Sprintf("the policy (line %d, %s)", r.Line, image.Quote(r.Prefix))
}

// Policy is a list of rules.
type Policy struct{ rules []Rule }

// ParsePolicy reads a policy. Whoever gets an error uses no image.
func ParsePolicy(data []byte) (*Policy, error) {
	p := &Policy{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if n > maxPolicy {
			return nil, fmt.Errorf("parse policy: more than %d lines", maxPolicy)
		}
		if err := p.add(text, n); err != nil {
			return nil, fmt.Errorf("parse policy: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("parse policy: line %d: %w", n+1, err)
	}
	return p, nil
}

func (p *Policy) add(text string, line int) error {
	prefix, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	action, file, _ := strings.Cut(strings.TrimSpace(rest), " ")
	file = strings.TrimSpace(file)
	switch {
	case action == actionKey && file == "":
		return errors.New("key: want a file after it")
	case (action == actionAccept || action == actionRefuse) && file != "":
		return fmt.Errorf("%s: %s after it", action, image.Quote(file))
	case action != actionKey && action != actionAccept && action != actionRefuse:
		return fmt.Errorf("%s: want \"key FILE\", accept or refuse", image.Quote(action))
	}
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	prefix = canonical(prefix)
	i := slices.IndexFunc(p.rules, func(r Rule) bool { return r.Prefix == prefix })
	if i < 0 {
		p.rules = append(p.rules, Rule{Prefix: prefix, Line: line, Action: action})
		i = len(p.rules) - 1
	} else if p.rules[i].Action != actionKey || action != actionKey {
		return fmt.Errorf("%s: line %d says something about it already", image.Quote(prefix), p.rules[i].Line)
	}
	if file != "" {
		p.rules[i].Keys = append(p.rules[i].Keys, file)
	}
	return nil
}

// checkPrefix refuses what no full name begins with: it would never fit.
func checkPrefix(s string) error {
	if s == restPrefix {
		return nil
	}
	probe := s
	if strings.HasSuffix(s, "/") {
		probe += "x/x"
	}
	n, _, err := reference.ParseName(probe)
	if err != nil {
		return err
	}
	full := n.String()
	if full == probe || strings.HasPrefix(full, probe+":") {
		return nil
	}
	return fmt.Errorf("%s: no full name begins like this: write REGISTRY/, REGISTRY/NAMESPACE/ or REGISTRY/REPOSITORY, such as docker.io/library/web", image.Quote(s))
}

// canonical gives the host in a name or prefix in the one form that is compared:
// registries are the same in upper case, and with the port that they have anyway.
func canonical(name string) string {
	host, rest, found := strings.Cut(name, "/")
	if !found {
		return name
	}
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		port := strings.TrimLeft(host[i+1:], "0")
		host = host[:i]
		if port != "443" && port != "80" {
			host += ":" + port
		}
	}
	return host + "/" + rest
}

// fits tells whether a rule is about a name.
func (r Rule) fits(name string) bool {
	rest, found := strings.CutPrefix(name, r.Prefix)
	return found && (rest == "" || strings.HasSuffix(r.Prefix, "/") || rest[0] == ':' || rest[0] == '@')
}

// For gives the rule for an image's full name.
func (p *Policy) For(name string) Rule {
	name = canonical(name)
	best := Rule{Action: actionRefuse}
	for _, r := range p.rules {
		if r.Prefix == restPrefix && best.Line == 0 || r.fits(name) && (best.Prefix == restPrefix || len(r.Prefix) > len(best.Prefix)) {
			best = r
		}
	}
	return best
}
