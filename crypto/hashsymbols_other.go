//go:build !amd64

package crypto

// Symbols are hashed one by one here: nothing below is called.
const (
	pairs     = false
	wide      = false
	headBytes = 0
	lanes     = 0
	wideLeast = 0
)

type pairRoom struct{}

func (*pairRoom) hashPair(*[2]SymbolHash, *[2]SymbolText) {}

type wideRoom struct{}

func (*wideRoom) hashWide([]SymbolHash, []SymbolText, int) {}
