//go:build !amd64

package crypto

const (
	pairs     = false
	headBytes = 0
)

type pairRoom struct{}

func (*pairRoom) hashPair(*[2]SymbolHash, *[2]SymbolText) {}
