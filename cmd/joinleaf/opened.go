package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/cmd/joinleaf/parcel"
)

// opened is the start-up block.
type opened struct {
	facts  facts
	f      *sendFlags
	terms  terms
	source source
	head   parcel.Head
	in     string
}

func (opened) name() string { return "opened" }

func (o opened) MarshalJSON() ([]byte, error) {
	return o.facts.json(map[string]any{
		"in": o.in, "kind": o.head.Kind.String(), "class": o.head.Class.String(), "latency_ms": o.head.Latency,
		"slow": o.terms.slow(), "replay": o.terms.Replay, "source": o.source.String(), "command": o.other(),
	})
}

// service is the class and its latency, as all lines tell them.
type service struct {
	Class   string `json:"class"`
	Latency uint16 `json:"latency_ms"`
}

func serviceOf(h parcel.Head) service { return service{h.Class.String(), h.Latency} }

func (s service) String() string {
	if s.Latency > 0 {
		return fmt.Sprintf("%s %v", s.Class, time.Duration(s.Latency)*time.Millisecond)
	}
	return s.Class
}

func (o opened) String() string {
	wait := "starts at once"
	if o.f.waitFor > 0 {
		wait = fmt.Sprintf("starts with %d, counted in", o.f.waitFor)
	}
	if o.f.maxWait > 0 {
		wait += fmt.Sprintf(", or after %v", o.f.maxWait)
	}
	keeps := ""
	if o.terms.Replay > 0 {
		keeps = size(o.terms.Replay) + " for leaves that join late and ask for it: recv --from oldest"
	}
	return o.facts.block(
		[2]string{"sends", fmt.Sprintf("%s (%v, %v)", o.in, o.head.Kind, serviceOf(o.head))},
		[2]string{"leaves", wait},
		[2]string{"slow leaves", o.terms.slowText()},
		[2]string{"keeps", keeps},
		[2]string{"source", o.sourceText()},
	) + "\n  other side  " + o.other()
}

// sourceText warns of what is not the default.
func (o opened) sourceText() string {
	switch o.source {
	case sourceEager:
		return "signed; leaves write before they have checked it"
	case sourceGroup:
		return "not signed: every leaf could pose as this sender towards the others"
	}
	return ""
}

// other is the command for the other side, to copy.
func (o opened) other() string {
	out := "-"
	if o.head.Kind == parcel.File {
		out = "."
		if o.head.Name == "" {
			out = "FILE"
		}
	}
	code := o.f.codeFile
	if code == "" {
		code = "FILE"
	}
	parts := []string{"joinleaf recv", o.facts.Control.String(), "--out", out, "--code-file", quote(code)}
	if o.source != sourceSigned {
		parts = append(parts, "--source", o.source.String())
	}
	if o.facts.Control.Addr().IsLoopback() {
		parts = append(parts, "--iface", quote(o.facts.Interface))
	}
	return strings.Join(parts, " ")
}
