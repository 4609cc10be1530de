// Package request reads what callers ask of the helper. A request is one line of JSON:
//
//	{"version":1,"operation":"tap.create","operation_id":"8f2c","params":{"tap":"bgr-1","bridge":"br-fc"}}
//
// Whatever is not exactly that is refused, before any of it means anything.
package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"banger.dev/root/internal/refusal"
)

const (
	// MaxBytes is the size of the largest request.
	MaxBytes = 64 << 10
	// Version is the version of the requests and answers.
	Version = 1
)

// Request is a request whose values are checked.
type Request struct {
	Name        string
	OperationID OperationID
	Operation   Operation
}

type envelope struct {
	Version     int             `json:"version"`
	Operation   string          `json:"operation"`
	OperationID OperationID     `json:"operation_id"`
	Params      json.RawMessage `json:"params"`
}

// Parse reads a request. If it is refused, what it returns has the name of the operation, where that is one
// of the list, and the operation id, where that is one: for the audit log.
func Parse(line []byte) (Request, error) {
	if len(line) > MaxBytes {
		return Request{}, refusal.New(refusal.BadRequest, "the request has more than %d bytes", MaxBytes)
	}
	var wire envelope
	if err := decode(line, &wire); err != nil {
		return Request{}, err
	}
	made := Request{OperationID: wire.OperationID}
	if wire.Version != Version {
		return made, refusal.New(refusal.BadRequest, `"version" must be %d`, Version)
	}
	makeOperation, isKnown := operations[wire.Operation]
	if !isKnown {
		return made, refusal.New(refusal.BadRequest, `"operation" must be one of %s`, strings.Join(Names(), ", "))
	}
	made.Name = wire.Operation
	operation := makeOperation()
	params := wire.Params
	if params == nil {
		params = json.RawMessage("{}")
	}
	if bytes.Equal(params, []byte("null")) {
		return made, refusal.New(refusal.BadRequest, `"params" must be an object`)
	}
	if err := decode(params, operation); err != nil {
		return made, err
	}
	if err := operation.check(); err != nil {
		return made, err
	}
	made.Operation = operation
	return made, nil
}

// Names returns the names of all operations, sorted.
func Names() []string {
	names := make([]string, 0, len(operations))
	for name := range operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// decode reads exactly one JSON value that has no other fields than `into`.
func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		var known *refusal.Error
		if errors.As(err, &known) {
			return known
		}
		return refusal.New(refusal.BadRequest, "the request is not one JSON object with the fields of its operation")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return refusal.New(refusal.BadRequest, "something follows the request")
	}
	return nil
}

// need returns an error that names the first field that is missing. Its arguments are pairs of a name, and
// whether the request has it.
func need(pairs ...any) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if isThere, _ := pairs[i+1].(bool); !isThere {
			return refusal.New(refusal.BadRequest, `"%s" is missing`, pairs[i])
		}
	}
	return nil
}
