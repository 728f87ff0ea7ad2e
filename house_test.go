package joinleaf

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"testing"
)

// The rules of the house as tests, so that `go test ./...` is the whole gate
// on any machine. A gate is a function from the tree to complaints; it runs
// over the real tree in TestHouse_RulesHold and over small trees made of
// strings in TestHouse_EveryGateIsSeenToFail, which must bring it to complain.

// A file is one text file of the tree. Go files are parsed, whatever system
// they are built for.
type file struct {
	path string // from the module's root, with slashes
	text string
	ast  *ast.File // nil: not Go
}

func (f *file) folder() string { return path.Dir(f.path) }
func (f *file) isTest() bool   { return strings.HasSuffix(f.path, "_test.go") }

// A tree is what a gate judges.
type tree struct {
	fset  *token.FileSet
	files []*file
}

// add parses text when it is Go; a file that does not parse is an error.
func (tr *tree) add(name, text string) error {
	f := &file{path: name, text: text}
	if strings.HasSuffix(name, ".go") {
		parsed, err := parser.ParseFile(tr.fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		f.ast = parsed
	}
	tr.files = append(tr.files, f)
	return nil
}

// goFiles lists the Go files, tests or the rest.
func (tr *tree) goFiles(tests bool) []*file {
	var out []*file
	for _, f := range tr.files {
		if f.ast != nil && f.isTest() == tests {
			out = append(out, f)
		}
	}
	return out
}

// packages groups the Go files that are not tests by folder, in order.
func (tr *tree) packages() (names []string, files map[string][]*file) {
	files = map[string][]*file{}
	for _, f := range tr.goFiles(false) {
		if files[f.folder()] == nil {
			names = append(names, f.folder())
		}
		files[f.folder()] = append(files[f.folder()], f)
	}
	sort.Strings(names)
	return names, files
}

// at is the place of n, for a complaint.
func (tr *tree) at(n ast.Node) string {
	p := tr.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

type gate struct {
	name  string
	check func(*tree) []string
}

var gates = []gate{
	{"import arrows", checkArrows},
	{"outside imports", checkOutside},
	{"pion", checkPion},
	{"wall clock", checkWallClock},
	{"threats", checkThreats},
	{"machines", checkMachines},
	{"goroutine lists", checkGoroutines},
	{"package docs", checkPackageDocs},
	{"fuzz targets", checkFuzzTargets},
	{"gofmt", checkFormat},
	{"forbidden words", checkWords},
	{"file names", checkNames},
	{"top folders", checkFolders},
	{"lengths", checkLengths},
	{"machine paths", checkPaths},
	{"named documents", checkDocuments},
}

func TestHouse_RulesHold(t *testing.T) {
	tr := readTree(t, os.DirFS("."))
	for _, g := range gates {
		t.Run(strings.ReplaceAll(g.name, " ", "_"), func(t *testing.T) {
			for _, c := range g.check(tr) {
				t.Error(c)
			}
		})
	}
}

// readTree reads every text file below the module's root but git's own.
func readTree(t *testing.T, root fs.FS) *tree {
	t.Helper()
	tr := &tree{fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name == ".git":
			return fs.SkipDir
		case name == ".git": // a file, in a work tree of its own
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		if strings.ContainsRune(string(b), 0) { // a binary left by a build
			return nil
		}
		return tr.add(name, string(b))
	})
	if err != nil {
		t.Fatal(err)
	}
	// A gate over nothing finds nothing wrong.
	if names, _ := tr.packages(); len(names) < 2 {
		t.Fatalf("only packages %v were found: this test must run in the module's root folder", names)
	}
	return tr
}
