package joinleaf

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"path"
	"regexp"
	"slices"
	"strings"
)

// checkFormat is gofmt.
func checkFormat(tr *tree) (bad []string) {
	for _, fl := range tr.files {
		if fl.ast == nil {
			continue
		}
		want, err := format.Source([]byte(fl.text))
		if err != nil || !bytes.Equal(want, []byte(fl.text)) {
			bad = append(bad, fl.path+": gofmt would change it (on Windows: check out with LF line ends)")
		}
	}
	return bad
}

// The words are put together here so that this file does not hold them.
var unfinished = regexp.MustCompile(`TO` + `DO|FIX` + `ME|XX` + `X|(?i:not implemen` + `ted|unimplemen` + `ted)`)

// checkWords finds marks of unfinished work. What is missing stands under
// Limitations, or in an issue.
func checkWords(tr *tree) (bad []string) {
	for _, fl := range tr.files {
		if fl.ast == nil {
			continue
		}
		for i, line := range strings.Split(fl.text, "\n") {
			if m := unfinished.FindString(line); m != "" {
				bad = append(bad, fmt.Sprintf("%s:%d: %q", fl.path, i+1, m))
			}
		}
	}
	return bad
}

var saysNothing = []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "manager", "types"}

// checkNames wants files and folders named by a noun or a verb of the field.
func checkNames(tr *tree) (bad []string) {
	for _, fl := range tr.files {
		if fl.ast == nil {
			continue
		}
		name := strings.TrimSuffix(path.Base(fl.path), ".go")
		words := append(strings.Split(name, "_"), strings.Split(fl.folder(), "/")...)
		for _, w := range words {
			if slices.Contains(saysNothing, w) {
				bad = append(bad, fmt.Sprintf("%s: %q says nothing about what is inside", fl.path, w))
			}
		}
	}
	return bad
}

// house is what stands at the top: the owner's folders, the command, the docs.
var house = []string{"transport", "control", "rooted", "nonrooted", "crypto", "bench", "examples", "cmd", "docs"}

// checkFolders keeps the top level as it is; dot folders are free.
func checkFolders(tr *tree) (bad []string) {
	for _, fl := range tr.files {
		top, _, deeper := strings.Cut(fl.path, "/")
		if deeper && !strings.HasPrefix(top, ".") && !slices.Contains(house, top) {
			bad = append(bad, fl.path+": no such folder in the house")
		}
		if slices.Contains(strings.Split(fl.folder(), "/"), "internal") {
			bad = append(bad, fl.path+": the house has no internal folders")
		}
	}
	return bad
}

const (
	longestFile = 400 // lines; aim at 250
	longestFunc = 60  // lines; aim at 40; tests are free
)

// long says why a file ("folder/name.go") or a function ("folder.Name") is
// longer than the house likes.
var long = map[string]string{}

// checkLengths wants a reason for what is long, and no reason for what is not.
func checkLengths(tr *tree) (bad []string) { return checkLengthsWith(tr, long) }

func checkLengthsWith(tr *tree, reasons map[string]string) (bad []string) {
	used := map[string]bool{}
	over := func(key, at string, lines, limit int) {
		if lines <= limit {
			return
		}
		if used[key] = true; reasons[key] == "" {
			bad = append(bad, fmt.Sprintf("%s: %s has %d lines, more than %d: cut it, or give the reason in the map", at, key, lines, limit))
		}
	}
	for _, fl := range tr.files {
		if fl.ast == nil {
			continue
		}
		over(fl.path, fl.path, strings.Count(fl.text, "\n"), longestFile)
		for _, d := range fl.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !fl.isTest() {
				n := tr.fset.Position(fn.End()).Line - tr.fset.Position(fn.Pos()).Line + 1
				over(fl.folder()+"."+fn.Name.Name, tr.at(fn), n, longestFunc)
			}
		}
	}
	for key := range reasons {
		if !used[key] {
			bad = append(bad, key+": in the map of long things, but it is not long any more")
		}
	}
	return bad
}

var machinePath = regexp.MustCompile(`(^|[^A-Za-z0-9_./-])/(wo` + `rk|fa` + `rm|ro` + `ot|ho` + `me)/|\.\./sha` + `red`)

// checkPaths keeps the folders of one machine out of everybody's tree.
func checkPaths(tr *tree) (bad []string) {
	for _, fl := range tr.files {
		for i, line := range strings.Split(fl.text, "\n") {
			if m := machinePath.FindString(line); m != "" {
				bad = append(bad, fmt.Sprintf("%s:%d: %q is a path of one machine", fl.path, i+1, strings.TrimSpace(m)))
			}
		}
	}
	return bad
}
