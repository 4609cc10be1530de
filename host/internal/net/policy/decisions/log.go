package decisions

import (
	"sync"
	"time"

	"banger.dev/host/internal/net/policy/names"
)

// Limits of the log. A guest that makes as many decisions necessary as it can writes a few lines per
// second, so that it can neither fill the disk nor replace the log's history quickly.
const (
	MaxFileBytes = 4 << 20
	// window is how long the same decisions are counted before a line tells how many there were.
	window         = 10 * time.Second
	linesBurst     = 200
	linesPerSecond = 1
	maxCounted     = 1024
)

// counted are the decisions of one key since its last line.
type counted struct {
	since time.Time
	last  time.Time
	count int
}

// class is what has a limit of lines of its own, so that refusals do not keep allowed connections from being
// listed, nor names connections.
type class struct {
	isDNS, isRefused bool
}

// Log is a bounded log. It is safe for concurrent use.
type Log struct {
	mutex sync.Mutex
	now   func() time.Time
	file  *file
	// counts has the keys of recent lines.
	counts map[key]*counted
	// summaries counts decisions without a line of their own, since the last look.
	summaries map[key]*counted
	limits    map[class]*names.Bucket
	// isBroken is true while the last write failed.
	isBroken bool
}

// Open opens or creates the log at path. now is the clock.
func Open(path string, maxBytes int64, now func() time.Time) (*Log, error) {
	file, err := openFile(path, maxBytes)
	if err != nil {
		return nil, err
	}
	log := &Log{now: now, file: file, counts: make(map[key]*counted), summaries: make(map[key]*counted)}
	log.limits = make(map[class]*names.Bucket)
	for _, each := range []class{{false, false}, {false, true}, {true, false}, {true, true}} {
		log.limits[each] = names.NewBucket(linesBurst, linesPerSecond, now)
	}
	return log, nil
}

// Record logs a decision; it sets the time. When it returns an error, the decision is not in the log, and
// must not be carried out if it was to allow something.
func (l *Log) Record(entry Entry) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	entry.Time = l.now().UTC()
	if l.isBroken {
		return l.write(entry)
	}
	id := keyOf(entry)
	if known := l.counts[id]; known != nil {
		if entry.Time.Sub(known.since) < window {
			known.count++
			known.last = entry.Time
			return nil
		}
		if err := l.tell(id, known); err != nil {
			return err
		}
		delete(l.counts, id)
	}
	if !l.limits[class{entry.Kind == "dns", entry.Verdict == Refused}].Take() {
		return l.countInSummary(entry)
	}
	if len(l.counts) >= maxCounted {
		if err := l.flush(); err != nil {
			return err
		}
	}
	if err := l.write(entry); err != nil {
		return err
	}
	l.counts[id] = &counted{since: entry.Time}
	return nil
}

func (l *Log) countInSummary(entry Entry) error {
	id := summaryOf(entry)
	known := l.summaries[id]
	if known == nil {
		if len(l.summaries) >= maxCounted {
			if err := l.flush(); err != nil {
				return err
			}
		}
		known = &counted{since: entry.Time}
		l.summaries[id] = known
	}
	known.count++
	known.last = entry.Time
	if entry.Time.Sub(known.since) < window {
		return nil
	}
	delete(l.summaries, id)
	return l.tellSummary(id, known)
}

// Flush writes what was counted and not yet told. The owner calls it every few seconds.
func (l *Log) Flush() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.flush()
}

func (l *Log) flush() error {
	now, isFull := l.now(), len(l.counts) >= maxCounted || len(l.summaries) >= maxCounted
	for id, known := range l.counts {
		if !isFull && now.Sub(known.since) < window {
			continue
		}
		if err := l.tell(id, known); err != nil {
			return err
		}
		delete(l.counts, id)
	}
	for id, known := range l.summaries {
		if !isFull && now.Sub(known.since) < window {
			continue
		}
		if err := l.tellSummary(id, known); err != nil {
			return err
		}
		delete(l.summaries, id)
	}
	return nil
}

// Close tells all counts and closes the file.
func (l *Log) Close() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var first error
	for id, known := range l.counts {
		if err := l.tell(id, known); err != nil && first == nil {
			first = err
		}
	}
	for id, known := range l.summaries {
		if err := l.tellSummary(id, known); err != nil && first == nil {
			first = err
		}
	}
	clear(l.counts)
	clear(l.summaries)
	l.file.close()
	return first
}

func (l *Log) tell(id key, known *counted) error {
	if known.count == 0 {
		return nil
	}
	return l.write(id.entry(known.last, known.count))
}

func (l *Log) tellSummary(id key, known *counted) error {
	entry := id.entry(known.last, known.count)
	entry.IsSummary = true
	return l.write(entry)
}

func (l *Log) write(entry Entry) error {
	err := l.file.write(entry)
	l.isBroken = err != nil
	return err
}
