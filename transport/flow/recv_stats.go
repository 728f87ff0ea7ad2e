package flow

// ReceiverStats is a snapshot of a Receiver's books. They balance at any time:
//
//	Frames = Symbols + Parity + Notes + Beats + Drops.Total()
//	per stream: Known - Start = Taken + Skipped + Lost + Held + Missing
//	per stream: messages up to NextMessage = delivered + told missing
type ReceiverStats struct {
	Frames  uint64 // handed to Handle
	Symbols uint64 // of these, new
	Parity  uint64
	Notes   uint64
	Beats   uint64
	Drops   Drops

	Filled   uint64 // new symbols that came after a later one
	Repaired uint64 // of these, after they were asked for

	Rebuilt      uint64 // symbols from parity
	ParityUnused uint64 // rows that came for nothing

	Messages, MessageBytes uint64 // read
	Gaps                   uint64 // told
	Missed                 uint64 // messages in them
	Garbled                uint64 // records that no sender writes

	Rejected uint64 // symbols that were kept and turned out to be another member's
	Unproven uint64 // symbols that were given up for want of a proof

	Naks, Asked uint64 // NAKs, and symbols asked for in them
	Statuses    uint64

	Expected, Heard uint64 // packets to the group: sent since Start as far as known, and come
	Host            uint64 // packets dropped by this host for want of room

	Streams []StreamStats
}

// StreamStats is one stream's share, in symbols.
type StreamStats struct {
	Class       Class
	Start       uint64 // owed from here
	Known       uint64 // after the highest known to be sent
	Taken       uint64 // read whole
	Skipped     uint64 // came, but their messages were not whole
	Lost        uint64 // given up
	Held        uint64
	Missing     uint64
	Delivered   uint64 // next symbol that the application has not taken
	Limit       uint64 // what the last STATUS allowed
	NextMessage uint64
}

// Stats gives the books as they stand.
func (r *Receiver) Stats() ReceiverStats {
	s := r.stats
	s.Expected, s.Heard, s.Host = r.heard.expected, r.heard.heard, r.heard.host
	for i, st := range r.streams {
		if st == nil {
			e := r.edges[i]
			s.Streams = append(s.Streams, StreamStats{Class: r.c.Streams[i], Start: e.Seq, Known: e.Seq, Delivered: e.Seq,
				Limit: e.Seq, NextMessage: e.Message})
			continue
		}
		s.Streams = append(s.Streams, StreamStats{Class: st.class, Start: st.start, Known: st.known, Taken: st.taken,
			Skipped: st.skipped, Lost: st.lostSymbols, Held: uint64(st.held), Missing: uint64(st.missing(st.contigOrBase(), st.known)),
			Delivered: st.base, Limit: st.told.limit, NextMessage: st.message})
	}
	return s
}

func (st *stream) contigOrBase() uint64 { return max(st.base, st.contig) }
