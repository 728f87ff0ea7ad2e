package crypto

import "fmt"

// EpochAt makes an epoch of a given number from new randomness: where members
// take turns in making epochs, whoever comes next begins above all that may have
// been made before, which [Epoch.Fresh] cannot know.
func EpochAt(session SessionID, params, roster [32]byte, number uint64) (*Epoch, error) {
	if number == 0 {
		return nil, fmt.Errorf("%w: number 0 is no epoch", ErrEpoch)
	}
	return freshEpoch(session, params, roster, number)
}
