// Package refusal has the errors that the helper's callers get.
package refusal

import (
	"errors"
	"fmt"
)

// Code says what kind of error it is. Callers decide by it, never by the message.
type Code string

const (
	// BadRequest: the request is not one that this helper reads, or a value in it is not allowed.
	BadRequest Code = "BAD_REQUEST"
	// Denied: the caller is another user.
	Denied Code = "DENIED"
	// Busy: too many connections are open.
	Busy Code = "BUSY"
	// NotOurs: the request names something of the host that the helper has not made.
	NotOurs Code = "NOT_OURS"
	// Conflict: the request does not fit what exists.
	Conflict Code = "CONFLICT"
	// Unavailable: this host lacks what the operation needs.
	Unavailable Code = "UNAVAILABLE"
	// Failed: the kernel or a program refused.
	Failed Code = "FAILED"
)

// Error is an error with a code.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// New returns an error with this code.
func New(code Code, format string, values ...any) error {
	return &Error{code, fmt.Sprintf(format, values...)}
}

// Of returns the error with its code: Failed, unless it has one.
func Of(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Failed, err.Error()}
}
