package registry

// How a registry asks who we are: WWW-Authenticate, which can be there several
// times, and hold several challenges each time (RFC 9110, 11.6.1).

import (
	"net/http"
	"strings"
)

// challenge is one way to say who we are.
type challenge struct {
	scheme string // in lower case
	params []param
}

type param struct{ name, value string } // the name in lower case

// pickChallenge leaves of the challenges of an answer the one that is followed,
// as the only one: what comes after it knows no more than one. A token is better
// than a password; what is not known is left out.
func pickChallenge(resp *http.Response) *http.Response {
	if resp.StatusCode != http.StatusUnauthorized {
		return resp
	}
	const name = "WWW-Authenticate"
	best := -1
	list := parseChallenges(resp.Header.Values(name))
	for i, c := range list {
		if c.scheme == "bearer" && c.get("realm") != "" {
			best = i
			break
		}
		if c.scheme == "basic" && best < 0 {
			best = i
		}
	}
	resp.Header.Del(name)
	if best >= 0 {
		resp.Header.Set(name, list[best].String())
	}
	return resp
}

func (c challenge) get(name string) string {
	for _, p := range c.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// String is the challenge as a header has it.
func (c challenge) String() string {
	var b strings.Builder
	b.WriteString(c.scheme)
	for i, p := range c.params {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + p.name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.value) + `"`)
	}
	return b.String()
}

// maxChallenges is how many are looked at.
const maxChallenges = 16

// parseChallenges reads the values of WWW-Authenticate. It takes what it
// understands; a value ends where it is none.
func parseChallenges(values []string) []challenge {
	var list []challenge
	for _, v := range values {
		s := scanner{v}
		for len(list) < maxChallenges {
			s.skip(" \t,")
			scheme := s.token()
			if scheme == "" {
				break
			}
			c := challenge{scheme: strings.ToLower(scheme)}
			s.params(&c)
			list = append(list, c)
		}
	}
	return list
}

// scanner reads a header from its beginning on.
type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

// token reads a token (RFC 9110, 5.6.2), "" if there is none.
func (s *scanner) token() string {
	end := strings.IndexFunc(s.rest, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
	if end < 0 {
		end = len(s.rest)
	}
	t := s.rest[:end]
	s.rest = s.rest[end:]
	return t
}

// params reads parameters, and stops where the next challenge begins: at a name
// without "=". A token68 is left out.
func (s *scanner) params(c *challenge) {
	const most = 32
	for len(c.params) < most {
		before := s.rest
		s.skip(" \t,")
		name := s.token()
		s.skip(" \t")
		if name == "" || !strings.HasPrefix(s.rest, "=") {
			s.rest = before
			s.token68(len(c.params) == 0)
			return
		}
		s.rest = s.rest[1:]
		s.skip(" \t")
		value, ok := s.value()
		if !ok {
			s.rest = before
			s.token68(len(c.params) == 0)
			return
		}
		c.params = append(c.params, param{strings.ToLower(name), value})
	}
}

// token68 leaves out what stands there instead of parameters, such as
// "Negotiate dGV4dA==".
func (s *scanner) token68(allowed bool) {
	if !allowed {
		return
	}
	if end := strings.IndexByte(s.rest, ','); end >= 0 {
		s.rest = s.rest[end:]
	} else {
		s.rest = ""
	}
}

// value reads a token or a quoted string. "==" is the end of a token68.
func (s *scanner) value() (string, bool) {
	if !strings.HasPrefix(s.rest, `"`) {
		v := s.token()
		return v, v != ""
	}
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(s.rest):
			i++
			b.WriteByte(s.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
