package main

import "github.com/spf13/cobra"

// source says how a receiver knows that data is the sender's: the session's of a
// sender, the least that a receiver takes. The zero source is the safest.
type source uint8

const (
	sourceSigned source = iota // nothing is written that the sender's signature does not cover
	sourceEager                // it is written at once, and a forgery told afterwards
	sourceGroup                // whoever has joined could pose as the sender
)

var sourceWords = [...]string{"signed", "eager", "group"}

// String is the word of --source.
func (s source) String() string { return sourceWords[s] }

func parseSource(word string) (source, error) {
	for s, w := range sourceWords {
		if w == word {
			return source(s), nil
		}
	}
	return 0, usage("--source %q is not known; there are signed, eager and group", word)
}

// sourceFlag adds --source, with what it means here.
func sourceFlag(cmd *cobra.Command, word *string, means string) {
	cmd.Flags().StringVar(word, "source", sourceSigned.String(), means+": signed, eager (forgeries are told afterwards) or group (leaves trust each other)")
}
