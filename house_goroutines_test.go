package joinleaf

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"regexp"
	"slices"
	"strings"
)

// A launch is a place where a goroutine starts: the function it stands in and
// the one that runs, where that has a name.
type launch struct{ at, in, runs string }

// launches finds every start of a goroutine in fl: the go statement, the Go
// method of a WaitGroup or an errgroup, and time.AfterFunc. (What
// context.AfterFunc runs belongs to the context.)
func (tr *tree) launches(fl *file) (out []launch) {
	for _, d := range fl.ast.Decls {
		in := "a package variable"
		if fn, ok := d.(*ast.FuncDecl); ok {
			in = fn.Name.Name
		}
		ast.Inspect(d, func(n ast.Node) bool {
			if f := started(n); f != nil {
				out = append(out, launch{tr.at(n), in, nameOf(f)})
			}
			return true
		})
	}
	return out
}

// started is what n starts in a goroutine of its own, nil if it starts none.
func started(n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.GoStmt:
		return n.Call.Fun
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		switch {
		case !ok:
		case sel.Sel.Name == "Go" && len(n.Args) == 1:
			return n.Args[0]
		case sel.Sel.Name == "AfterFunc" && len(n.Args) == 2 && nameOf(sel.X) != "context":
			return n.Args[1]
		}
	}
	return nil
}

// nameOf is the last name of an expression such as x.f or f, and what a func
// literal of one call calls; "" for others.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.FuncLit:
		if len(e.Body.List) == 1 {
			if x, ok := e.Body.List[0].(*ast.ExprStmt); ok {
				if call, ok := x.X.(*ast.CallExpr); ok {
					return nameOf(call.Fun)
				}
			}
		}
	}
	return ""
}

// checkGoroutines holds the "# Goroutines" section of each package's doc to
// the code: it names every function that starts a goroutine, or the one that
// the goroutine runs, and every item of its list names one of these. Packages
// that import testing are scaffolding: they need the section, in whatever
// words. Examples explain themselves.
func checkGoroutines(tr *tree) (bad []string) {
	names, files := tr.packages()
	for _, pkg := range names {
		if under(pkg, "examples") {
			continue
		}
		var starts []launch
		scaffolding := false
		for _, fl := range files[pkg] {
			starts = append(starts, tr.launches(fl)...)
			scaffolding = scaffolding || localName(fl, "testing") != ""
		}
		text, items := "", []string(nil)
		if d := packageDoc(files[pkg]); d != nil {
			text, items = words(section(d, "Goroutines"))
		}
		if scaffolding {
			if len(starts) > 0 && text == "" {
				bad = append(bad, pkg+"/doc.go: no # Goroutines, though the code starts some")
			}
			continue
		}
		for _, s := range starts {
			if !s.namedIn(text) {
				bad = append(bad, fmt.Sprintf("%s: %s starts a goroutine (%s), and # Goroutines in %s/doc.go names neither: say who starts it and what ends it", s.at, s.in, s.runs, pkg))
			}
		}
		for _, item := range items {
			if !slices.ContainsFunc(starts, func(s launch) bool { return s.namedIn(item) }) {
				bad = append(bad, fmt.Sprintf("%s/doc.go: under # Goroutines, %q names no function that starts one", pkg, item))
			}
		}
	}
	return bad
}

func (s launch) namedIn(text string) bool { return hasWord(text, s.in) || hasWord(text, s.runs) }

// hasWord reports whether text has the name as a word of its own.
func hasWord(text, name string) bool {
	return name != "" && regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\b`).MatchString(text)
}

// packageDoc is the parsed package comment of doc.go, or of the only file that
// has one; nil when there is none.
func packageDoc(files []*file) *comment.Doc {
	for _, fl := range files {
		if fl.ast.Doc != nil {
			return new(comment.Parser).Parse(fl.ast.Doc.Text())
		}
	}
	return nil
}

// section gives the blocks of d under the heading.
func section(d *comment.Doc, heading string) (out []comment.Block) {
	in := false
	for _, b := range d.Content {
		if h, ok := b.(*comment.Heading); ok {
			in = plain(h.Text) == heading
			continue
		}
		if in {
			out = append(out, b)
		}
	}
	return out
}

// words gives the text of blocks, and of each list item among them.
func words(blocks []comment.Block) (all string, items []string) {
	for _, b := range blocks {
		switch b := b.(type) {
		case *comment.Paragraph:
			all += plain(b.Text) + " "
		case *comment.List:
			for _, item := range b.Items {
				text, _ := words(item.Content)
				all += text
				items = append(items, strings.TrimSpace(text))
			}
		}
	}
	return all, items
}

// plain is the text of t without its markup.
func plain(t []comment.Text) string {
	var b strings.Builder
	for _, x := range t {
		switch x := x.(type) {
		case comment.Plain:
			b.WriteString(string(x))
		case comment.Italic:
			b.WriteString(string(x))
		case *comment.Link:
			b.WriteString(plain(x.Text))
		case *comment.DocLink:
			b.WriteString(plain(x.Text))
		}
	}
	return b.String()
}
