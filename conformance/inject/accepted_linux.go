package inject

// What is found and right, with the reason.

import "regexp"

// acceptance is a kind of finding that is no fault.
type acceptance struct {
	story   string         // "" is each
	call    *regexp.Regexp // the call and what it is about
	problem *regexp.Regexp
	why     string
}

var acceptances = []acceptance{
	{
		"", regexp.MustCompile(`^(execve |write)`), regexp.MustCompile(`^says that it succeeded, but: "", want "\{"$`),
		"the process is killed in the exec itself, once it has said that this comes next: nobody can tell that from a moment later",
	},
	{
		"create", regexp.MustCompile(`^read .*/exec\.fifo$`), regexp.MustCompile(`^says that it succeeded, but: ("stopped", want "created"|.*cannot start a container in the stopped state|.*start .*: wait for start: |.*start .*: its process was killed before it could run the program)`),
		"the process that waits for start ends by itself after create has told the truth; state says stopped then, and a start that meets it says why",
	},
}

func accepted(story, call, problem string) bool {
	for _, a := range acceptances {
		if (a.story == "" || a.story == story) && a.call.MatchString(call) && a.problem.MatchString(problem) {
			return true
		}
	}
	return false
}
