package joinleaf

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"path"
	"regexp"
	"strings"
)

// checkPackageDocs wants a guide in every package: doc.go, ending with
// Limitations. A program under examples or bench needs a package comment, where
// it likes.
func checkPackageDocs(tr *tree) (bad []string) {
	names, files := tr.packages()
	for _, pkg := range names {
		d := packageDoc(files[pkg])
		if d == nil {
			bad = append(bad, pkg+": no package comment")
			continue
		}
		if under(pkg, "examples") || under(pkg, "bench") && files[pkg][0].ast.Name.Name == "main" {
			continue
		}
		for _, fl := range files[pkg] {
			if fl.ast.Doc != nil && path.Base(fl.path) != "doc.go" {
				bad = append(bad, fl.path+": the package comment belongs in doc.go")
			}
		}
		last := ""
		for _, b := range d.Content {
			if h, ok := b.(*comment.Heading); ok {
				last = plain(h.Text)
			}
		}
		if last != "Limitations" || len(section(d, "Limitations")) == 0 {
			bad = append(bad, pkg+"/doc.go: the guide must end with # Limitations, told straight")
		}
	}
	return bad
}

// checkFuzzTargets wants every exported parser of a library package fuzzed: it
// must be named in a test file of its package that holds a fuzz target.
func checkFuzzTargets(tr *tree) (bad []string) {
	fuzzed := map[string]bool{} // folder + "." + name
	for _, fl := range tr.goFiles(true) {
		if !strings.Contains(fl.text, "\nfunc Fuzz") {
			continue
		}
		ast.Inspect(fl.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				fuzzed[fl.folder()+"."+id.Name] = true
			}
			return true
		})
	}
	for _, fl := range tr.goFiles(false) {
		if isAbove(fl.folder()) {
			continue
		}
		for _, d := range fl.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && strings.HasPrefix(fn.Name.Name, "Parse") && !fuzzed[fl.folder()+"."+fn.Name.Name] {
				bad = append(bad, fmt.Sprintf("%s: %s has no fuzz target in its package", tr.at(fn), fn.Name.Name))
			}
		}
	}
	return bad
}

var namedDocument = regexp.MustCompile(`[\w./:-]*\w\.md\b`)

// checkDocuments wants every .md file that a text names to be there: beside
// the text, in docs or in the root.
func checkDocuments(tr *tree) (bad []string) {
	have := map[string]bool{}
	for _, fl := range tr.files {
		have[fl.path] = true
	}
	for _, fl := range tr.files {
		for i, line := range strings.Split(fl.text, "\n") {
			for _, name := range namedDocument.FindAllString(line, -1) {
				if strings.Contains(name, "://") {
					continue
				}
				if !have[path.Join(fl.folder(), name)] && !have[path.Join("docs", name)] && !have[path.Clean(name)] {
					bad = append(bad, fmt.Sprintf("%s:%d: names %s, which is not in the tree", fl.path, i+1, name))
				}
			}
		}
	}
	return bad
}
