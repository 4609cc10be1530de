package secrets

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// minRedactedBytes is the shortest text that is taken out of answers: a shorter one may be there by chance.
const minRedactedBytes = 8

const (
	// quietTime is how long the unfinished line of an answer waits for its rest.
	quietTime = 300 * time.Millisecond
	// messageTime is the same after an upgrade, when messages have no lines.
	messageTime = 20 * time.Millisecond
)

// redaction takes what was sent for placeholders out of an answer.
type redaction struct {
	// longest first, so that none hides a longer one
	sent []pair
}

func (s *swap) redaction() redaction {
	var made redaction
	for _, each := range s.sent {
		if len(each.sent) >= minRedactedBytes {
			made.sent = append(made.sent, each)
		}
	}
	slices.SortStableFunc(made.sent, func(one, other pair) int { return len(other.sent) - len(one.sent) })
	return made
}

// header puts the texts of the guest back, which works in a redirect and in a cookie.
func (r redaction) header(header http.Header) {
	if len(r.sent) == 0 {
		return
	}
	var pairs []string
	for _, each := range r.sent {
		pairs = append(pairs, each.sent, each.guest)
	}
	replacer := strings.NewReplacer(pairs...)
	for _, values := range header {
		for at, value := range values {
			values[at] = replacer.Replace(value)
		}
	}
}

// body returns a body in which asterisks stand for what was sent: its length stays. atEnd is called once the
// body has been read to its end.
func (r redaction) body(body io.ReadCloser, atEnd func()) io.ReadCloser {
	return r.reader(body, quietTime, atEnd)
}

// upgraded is the same for a connection that has become another protocol's.
func (r redaction) upgraded(connection io.ReadWriteCloser) io.ReadWriteCloser {
	return &redactedConnection{r.reader(connection, messageTime, nil), connection}
}

type redactedConnection struct {
	*redacted
	connection io.ReadWriteCloser
}

func (r *redactedConnection) Write(text []byte) (int, error) { return r.connection.Write(text) }

// CloseWrite tells the server that the guest sends no more.
func (r *redactedConnection) CloseWrite() error {
	if half, isOne := r.connection.(interface{ CloseWrite() error }); isOne {
		return half.CloseWrite()
	}
	return nil
}
