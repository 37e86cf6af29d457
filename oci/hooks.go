package oci

// hooks: programs that run at points of the container's life.

import (
	"fmt"
	"math"
	"path"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// hookList finds the plan's list that field ("hooks.poststop[0]") belongs to,
// and what one should know of it.
func (c *compiler) hookList(field string) (list *[]Hook, reason string) {
	h := &c.plan.Hooks
	name, _, _ := strings.Cut(strings.TrimPrefix(field, "hooks."), "[")
	switch name {
	case "prestart":
		return &h.Prestart, "deprecated by the specification; run before createRuntime"
	case "createRuntime":
		return &h.CreateRuntime, ""
	case "createContainer":
		return &h.CreateContainer, "run on the host, like createRuntime: a cell has no mount namespace to run it in"
	case "startContainer":
		return &h.StartContainer, ""
	case "poststart":
		return &h.Poststart, ""
	}
	return &h.Poststop, ""
}

func (c *compiler) hook(field string, v any) {
	h := v.(specs.Hook)
	list, reason := c.hookList(field)
	out := Hook{Field: field, Path: h.Path, Args: h.Args, Env: lastOfEach(h.Env)}
	problems := len(c.plan.Notes)
	if !path.IsAbs(h.Path) {
		c.invalid(field+".path", quote(h.Path), "must be an absolute path")
	}
	for i, e := range h.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			c.invalid(fmt.Sprintf("%s.env[%d]", field, i), quote(e), "not of the form NAME=value")
		}
	}
	if t := h.Timeout; t != nil {
		const limit = math.MaxInt64 / int64(time.Second)
		if *t <= 0 || int64(*t) > limit {
			c.invalid(field+".timeout", fmt.Sprint(*t), "must be greater than zero seconds; leave it out for no timeout")
		} else {
			out.Timeout = time.Duration(*t) * time.Second
		}
	}
	*list = append(*list, out)
	if len(c.plan.Notes) > problems {
		return
	}
	// The emulator runs createContainer with the container's mounts in view.
	if list == &c.plan.Hooks.CreateContainer && !c.emulated() {
		c.approximated(field, quote(h.Path), reason)
		return
	}
	if list == &c.plan.Hooks.CreateContainer {
		reason = ""
	}
	c.exact(field, quote(h.Path), reason)
}
