package joinleaf

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// Machines take bytes and times and give bytes and times. What they may not
// know is what would make a run depend on more than its inputs.
var (
	machines    = []string{"control", "transport/flow"}
	machineLoop = "control/loop.go" // the one loop that drives every control machine

	noMachineImport = []string{"net", "sync", "sync/atomic", "os", "syscall", "log"} // net/netip is only values
	readsClock      = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
)

// checkMachines keeps sockets, locks, clocks and goroutines out of machines.
func checkMachines(tr *tree) (bad []string) {
	for _, fl := range tr.goFiles(false) {
		if !slices.Contains(machines, fl.folder()) {
			continue
		}
		loop := fl.path == machineLoop
		tr.imports(fl, func(at, imported string) {
			if slices.Contains(noMachineImport, imported) && !(loop && strings.HasPrefix(imported, "sync")) {
				bad = append(bad, fmt.Sprintf("%s: a machine may not import %s", at, imported))
			}
		})
		if loop {
			continue
		}
		clock := localName(fl, "time")
		ast.Inspect(fl.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				bad = append(bad, tr.at(n)+": a machine starts no goroutine")
			case *ast.SelectStmt:
				bad = append(bad, tr.at(n)+": a machine waits for nothing")
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == clock && slices.Contains(readsClock, n.Sel.Name) {
					bad = append(bad, fmt.Sprintf("%s: a machine is told the time, it never calls time.%s", tr.at(n), n.Sel.Name))
				}
			}
			return true
		})
		if clock == "." {
			bad = append(bad, fl.path+": a machine imports time by its name, so that this gate can see the clock")
		}
	}
	return bad
}

// localName is what fl calls the imported package, "" when it does not import it.
func localName(fl *file, imported string) string {
	for _, s := range fl.ast.Imports {
		if s.Path.Value != `"`+imported+`"` {
			continue
		}
		if s.Name != nil {
			return s.Name.Name
		}
		return imported[strings.LastIndex(imported, "/")+1:]
	}
	return ""
}
