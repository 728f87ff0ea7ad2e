package joinleaf

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// wallReading are the methods and functions that leave time's monotonic part
// behind. What is done with their results follows a clock that anybody may set:
// in packages that wait, replay-check and rekey they have no place (C8).
var wallReading = []string{"Unix", "UnixMilli", "UnixMicro", "UnixNano", "Round", "Truncate", "UTC", "Local", "In", "Date", "Clock"}

// wallPlaces may read it, and why.
var wallPlaces = map[string]string{
	"crypto/identity.go": "words when a certificate ran out",
	"rooted/stay.go":     "words when a certificate or an authorization ran out",
}

var wallPackages = []string{"control", "crypto", "crypto/dtls", "rooted", "nonrooted", "transport/flow", "transport/session"}

// checkWallClock keeps those methods out of the packages where time only passes.
// Durations have Round and Truncate too; nobody needs them there.
func checkWallClock(tr *tree) (bad []string) {
	for _, fl := range tr.goFiles(false) {
		if !slices.Contains(wallPackages, fl.folder()) || wallPlaces[fl.path] != "" || localName(fl, "time") == "" {
			continue
		}
		ast.Inspect(fl.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(wallReading, s.Sel.Name) {
				return true
			}
			if x, ok := s.X.(*ast.Ident); !ok || x.Name != "math" {
				bad = append(bad, fmt.Sprintf("%s: %s reads the wall clock; here time only passes", tr.at(n), s.Sel.Name))
			}
			return true
		})
	}
	for _, name := range sortedKeys(wallPlaces) {
		if !slices.ContainsFunc(tr.files, func(f *file) bool { return f.path == name }) && len(tr.files) > 50 {
			bad = append(bad, name+": is gone, and still may read the wall clock")
		}
	}
	return bad
}

func sortedKeys(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
