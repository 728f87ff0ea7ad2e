//go:build !race

package crypto

// underRace says that everything is ten times slower.
const underRace = false
