package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// block is the start-up block of people: who, where, by which interface and
// why, how far, how safe.
func (f facts) block(first ...[2]string) string {
	lines := [][2]string{{"session", f.Session}}
	lines = append(lines, first...)
	lines = append(lines,
		[2]string{"control", f.Control.String() + " (TCP)"},
		[2]string{"group", f.groupText()},
		[2]string{"interface", f.Interface + because(f.Why)},
	)
	if f.TTL > 0 {
		reach := "stays on this network"
		if f.TTL > 1 {
			reach = fmt.Sprintf("may pass %d routers", f.TTL-1)
		}
		lines = append(lines, [2]string{"ttl", fmt.Sprintf("%d, %s", f.TTL, reach)})
	}
	if f.ReadBuffer > 0 {
		text := size(f.ReadBuffer) + " to receive with"
		if f.ReadBuffer < f.WantBuffer {
			text += ", " + size(f.WantBuffer) + " wanted"
		}
		lines = append(lines, [2]string{"buffer", text})
	}
	lines = append(lines, [2]string{"encryption", f.Encryption})
	if f.Pin != "" {
		lines = append(lines, [2]string{"fingerprint", f.Pin})
	}
	var b strings.Builder
	b.WriteString("joinleaf " + version())
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(&b, "\n  %-11s %s", l[0], l[1])
		}
	}
	for _, w := range f.Warnings {
		b.WriteString("\n  warning     " + w)
	}
	return b.String()
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

func (f facts) groupText() string {
	s := f.Group.Addr.String() + " (UDP)"
	if f.Group.Source.IsValid() {
		s += " from " + f.Group.Source.String() + " alone"
	}
	return s
}

// json is the same as one object, with more fields of the command's.
func (f facts) json(more map[string]any) ([]byte, error) {
	if f.Warnings == nil {
		f.Warnings = []string{}
	}
	m := map[string]any{
		"version": version(), "session": f.Session, "control": f.Control, "group": f.Group.Addr,
		"interface": f.Interface, "why": f.Why, "ttl": f.TTL, "read_buffer": f.ReadBuffer, "read_buffer_wanted": f.WantBuffer,
		"encryption": f.Encryption, "fingerprint": f.Pin, "warnings": f.Warnings,
	}
	if f.Group.Source.IsValid() {
		m["source"] = f.Group.Source
	}
	maps.Copy(m, more)
	return json.Marshal(m)
}
