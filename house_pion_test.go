package joinleaf

import (
	"fmt"
	"go/ast"
	"strings"
	"testing"
)

const (
	pionPackage = "crypto/dtls"   // alone may import pion, version 2
	pionInterop = "bench/interop" // a module of its own: it talks to version 3, which enters no user's module graph
)

func isPion(imported string) bool { return under(imported, "github.com/pion") }

// checkPion keeps pion behind one package: no other imports it, tests, tools and
// examples included, and no exported name of that package shows a type of pion's,
// so that another version, or another library, can stand behind the same names.
func checkPion(tr *tree) (bad []string) {
	module := false // a go.mod makes bench/interop a module of its own
	for _, fl := range tr.files {
		module = module || fl.path == pionInterop+"/go.mod"
	}
	for _, tests := range []bool{false, true} {
		for _, fl := range tr.goFiles(tests) {
			pkg := fl.folder()
			if pkg == pionPackage && pionDotted(fl) {
				bad = append(bad, fl.path+": imports pion without a name, so that nobody sees what is pion's")
			}
			if pkg == pionPackage || module && under(pkg, pionInterop) {
				continue
			}
			tr.imports(fl, func(at, imported string) {
				if isPion(imported) {
					bad = append(bad, fmt.Sprintf("%s: %s imports %s; only %s may", at, pkg, imported, pionPackage))
				}
			})
		}
	}
	_, files := tr.packages()
	return append(bad, exportedPion(tr, files[pionPackage])...)
}

// exportedPion finds exported declarations that mention pion, or an unexported
// type of the package through which a user would see it.
func exportedPion(tr *tree, files []*file) (bad []string) {
	tainted := map[string]bool{} // unexported types that are pion's, or have it embedded
	for grew := true; grew; {
		grew = false
		for _, fl := range files {
			eachType(fl, func(s *ast.TypeSpec) {
				if !tainted[s.Name.Name] && !s.Name.IsExported() && shows(fl, tainted, visible(s)) {
					tainted[s.Name.Name], grew = true, true
				}
			})
			eachMethod(fl, func(of string, d *ast.FuncDecl) {
				if !tainted[of] && !ast.IsExported(of) && d.Name.IsExported() && shows(fl, tainted, d.Type) {
					tainted[of], grew = true, true
				}
			})
		}
	}
	say := func(n ast.Node, name string) {
		bad = append(bad, fmt.Sprintf("%s: %s shows a type of pion's", tr.at(n), name))
	}
	for _, fl := range files {
		for _, d := range fl.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) && shows(fl, tainted, d.Type) {
					say(d, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() && shows(fl, tainted, visible(s)) {
							say(s, s.Name.Name)
						}
					case *ast.ValueSpec:
						for _, name := range s.Names {
							if name.IsExported() && shows(fl, tainted, s) {
								say(s, name.Name)
							}
						}
					}
				}
			}
		}
	}
	return bad
}

func eachType(fl *file, f func(*ast.TypeSpec)) {
	for _, d := range fl.ast.Decls {
		if g, ok := d.(*ast.GenDecl); ok {
			for _, s := range g.Specs {
				if t, ok := s.(*ast.TypeSpec); ok {
					f(t)
				}
			}
		}
	}
}

// eachMethod calls f with every method and the name of its type.
func eachMethod(fl *file, f func(of string, d *ast.FuncDecl)) {
	for _, d := range fl.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
			f(receiver(fn), fn)
		}
	}
}

func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if x, ok := t.(*ast.Ident); ok {
		return x.Name
	}
	return ""
}

// visible is what a user sees of a type: of a struct its exported and embedded
// fields, of others all.
func visible(s *ast.TypeSpec) ast.Node {
	st, ok := s.Type.(*ast.StructType)
	if !ok {
		return s.Type
	}
	seen := &ast.FieldList{}
	for _, f := range st.Fields.List {
		exported := len(f.Names) == 0
		for _, n := range f.Names {
			exported = exported || n.IsExported()
		}
		if exported {
			seen.List = append(seen.List, f)
		}
	}
	return seen
}

// shows reports whether n names a package of pion's or a tainted type.
func shows(fl *file, tainted map[string]bool, n ast.Node) (found bool) {
	if n == nil {
		return false
	}
	names := map[string]bool{}
	for _, s := range fl.ast.Imports {
		if p := strings.Trim(s.Path.Value, `"`); isPion(p) {
			names[pionName(s, p)] = true
		}
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && names[x.Name] {
				found = true
			}
		case *ast.Ident:
			found = found || tainted[n.Name]
		}
		return true
	})
	return found
}

// pionName is what a file calls a package of pion's: "v2" is no name.
func pionName(s *ast.ImportSpec, p string) string {
	if s.Name != nil {
		return s.Name.Name
	}
	parts := strings.Split(p, "/")
	last := parts[len(parts)-1]
	if len(last) > 1 && last[0] == 'v' && strings.Trim(last[1:], "0123456789") == "" {
		last = parts[len(parts)-2]
	}
	return last
}

func pionDotted(fl *file) bool {
	for _, s := range fl.ast.Imports {
		if s.Name != nil && s.Name.Name == "." && isPion(strings.Trim(s.Path.Value, `"`)) {
			return true
		}
	}
	return false
}

// D10: pion stays behind crypto/dtls, and the gate that holds it there sees every
// way out that we know.
func TestD10_PionStaysBehindOnePackage(t *testing.T) {
	pion := func(decls string) map[string]string {
		return with("crypto/dtls/x.go", "package dtls\n\nimport pion \"github.com/pion/dtls/v2\"\n\n"+decls)
	}
	const importing = "package p\n\nimport _ \"github.com/pion/dtls/v2\"\n"
	for what, c := range map[string]struct {
		files map[string]string
		want  string // part of the one complaint; "" is none
	}{
		"nothing":                        {sound, ""},
		"another package":                {with("rooted/x.go", importing), "rooted imports github.com/pion/dtls/v2"},
		"another package's test":         {with("nonrooted/x_test.go", importing), "nonrooted imports"},
		"the command":                    {with("cmd/joinleaf/x.go", importing), "cmd/joinleaf imports"},
		"a benchmark":                    {with("bench/x.go", importing), "bench imports"},
		"an example":                     {with("examples/chat/x.go", importing), "examples/chat imports"},
		"its logger":                     {with("crypto/x.go", "package crypto\n\nimport _ \"github.com/pion/logging\"\n"), "crypto imports github.com/pion/logging"},
		"version 3":                      {with("transport/x.go", "package transport\n\nimport _ \"github.com/pion/dtls/v3\"\n"), "transport imports"},
		"interop in our own module":      {with(pionInterop+"/x.go", importing), "bench/interop imports"},
		"an unexported use":              {pion("type conn struct{ c *pion.Conn }\n\nfunc dial(*pion.Config) {}\n\ntype Conn struct{ c *pion.Conn }\n"), ""},
		"a parameter":                    {pion("func Dial(c *pion.Config) {}\n"), "x.go:5: Dial shows"},
		"a result":                       {pion("func Dial() (*pion.Conn, error) { return nil, nil }\n"), "Dial shows"},
		"a method":                       {pion("type Conn struct{}\n\nfunc (Conn) Raw() *pion.Conn { return nil }\n"), "Raw shows"},
		"a field":                        {pion("type Conn struct{ Raw *pion.Conn }\n"), "Conn shows"},
		"an embedded type":               {pion("type Conn struct{ *pion.Conn }\n"), "Conn shows"},
		"an alias":                       {pion("type Conn = pion.Conn\n"), "Conn shows"},
		"a named type":                   {pion("type Suite pion.CipherSuiteID\n"), "Suite shows"},
		"a constant":                     {pion("const Suite = pion.TLS_ECDHE_ECDSA_WITH_AES_128_CCM\n"), "Suite shows"},
		"a variable's type":              {pion("var Default *pion.Config\n"), "Default shows"},
		"through an unexported alias":    {pion("type conn = pion.Conn\n\nfunc Dial() *conn { return nil }\n"), "Dial shows"},
		"an embedded type with a method": {pion("type raw struct{ c *pion.Conn }\n\nfunc (r raw) Raw() *pion.Conn { return r.c }\n\ntype Conn struct{ raw }\n"), "Conn shows"},
		"a hidden type with a method":    {pion("type raw struct{ c *pion.Conn }\n\nfunc (r raw) Raw() *pion.Conn { return r.c }\n\ntype Conn struct{ r raw }\n"), ""},
		"a dot":                          {with("crypto/dtls/x.go", "package dtls\n\nimport . \"github.com/pion/dtls/v2\"\n\nvar _ = Client\n"), "without a name"},
		"through an unexported wrapper":  {pion("type conn struct{ *pion.Conn }\n\ntype Conn struct{ conn }\n"), "Conn shows"},
	} {
		got := checkPion(fixture(t, c.files))
		if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: complaints %q, want %q", what, got, c.want)
		}
	}
	own := with(pionInterop+"/x.go", importing)
	own[pionInterop+"/go.mod"] = "module x\n"
	if got := checkPion(fixture(t, own)); len(got) != 0 {
		t.Errorf("interop as a module of its own: %q", got)
	}
}
