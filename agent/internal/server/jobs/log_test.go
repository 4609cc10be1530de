package jobs

import (
	"bytes"
	"math/rand"
	"testing"
)

// TestACursorNamesEveryByteOnce writes and reads at random, with a small limit, and compares with all that
// was written.
func TestACursorNamesEveryByteOnce(t *testing.T) {
	for seed := range int64(300) {
		random := rand.New(rand.NewSource(seed))
		limit := 1 + random.Intn(3*segmentBytes)
		var kept log
		var written, kinds []byte
		type reader struct{ cursor, dropped, got int64 }
		readers := make([]reader, 3)
		for range 200 {
			if random.Intn(2) == 0 {
				p := make([]byte, random.Intn(1<<random.Intn(18)))
				random.Read(p)
				kind := byte(17 + random.Intn(2))
				kept.add(kind, p)
				written = append(written, p...)
				kinds = append(kinds, bytes.Repeat([]byte{kind}, len(p))...)
				for kept.cost > limit && kept.drop() {
				}
			}
			r := &readers[random.Intn(len(readers))]
			found := kept.read(r.cursor)
			if found.at < r.cursor || found.at < kept.first() || found.end() > kept.next {
				t.Fatalf("seed %d: a read at %d of %d to %d returned %d to %d", seed, r.cursor, kept.first(), kept.next, found.at, found.end())
			}
			if len(found.data) == 0 && found.at != kept.next {
				t.Fatalf("seed %d: nothing at %d of %d", seed, found.at, kept.next)
			}
			if !bytes.Equal(found.data, written[found.at:found.end()]) {
				t.Fatalf("seed %d: wrong bytes at %d", seed, found.at)
			}
			if bytes.Count(kinds[found.at:found.end()], []byte{found.kind}) != len(found.data) {
				t.Fatalf("seed %d: wrong kind at %d", seed, found.at)
			}
			r.dropped += found.at - r.cursor
			r.got += int64(len(found.data))
			r.cursor = found.end()
			if r.got+r.dropped != r.cursor {
				t.Fatalf("seed %d: %d bytes read and %d dropped up to %d", seed, r.got, r.dropped, r.cursor)
			}
			if kept.next != int64(len(written)) || kept.cost > limit {
				t.Fatalf("seed %d: %d bytes of %d, cost %d of %d", seed, kept.next, len(written), kept.cost, limit)
			}
		}
	}
}

func TestSingleBytesOfBothOutputsCostNoMoreThanTheLimit(t *testing.T) {
	s := &Store{}
	j := &job{store: s}
	s.jobs = []*job{j}
	for i := range 300_000 {
		j.output.add(byte(17+i%2), []byte{'x'})
		for j.output.cost > logBytes {
			j.output.drop()
		}
	}
	if most := logBytes / segmentCost; len(j.output.segments) > most {
		t.Errorf("%d segments are kept", len(j.output.segments))
	}
}
