package inject

// What is found and right, with the reason.

import (
	"regexp"
	"strings"
)

// acceptance is a kind of finding that is no fault.
type acceptance struct {
	story   string // "" is each
	call    *regexp.Regexp
	problem string // the beginning
	why     string
}

var acceptances = []acceptance{}

func accepted(story, call, problem string) bool {
	for _, a := range acceptances {
		if (a.story == "" || a.story == story) && a.call.MatchString(call) && strings.HasPrefix(problem, a.problem) {
			return true
		}
	}
	return false
}
