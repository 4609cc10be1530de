// Package fault has the errors of banger-host oci that a user can act on. The daemon shows them as its own:
// codes are listed in docs/errors.md.
package fault

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Codes of errors.
const (
	ReferenceInvalid = "IMAGE_REFERENCE_INVALID"
	Unreachable      = "REGISTRY_UNREACHABLE"
	Unauthorized     = "REGISTRY_UNAUTHORIZED"
	NotFound         = "REGISTRY_NOT_FOUND"
	BadAnswer        = "REGISTRY_BAD_ANSWER"
	PlatformMissing  = "IMAGE_PLATFORM_MISSING"
	TooLarge         = "IMAGE_TOO_LARGE"
	ArchiveBad       = "IMAGE_ARCHIVE_BAD"
	Damaged          = "IMAGE_DAMAGED"
	FileUnwritable   = "IMAGE_FILE_UNWRITABLE"
	NoSpace          = "HOST_NO_SPACE"
)

// Error is an error with a code.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Hint is the next step of the user, or empty.
	Hint string `json:"hint,omitempty"`
	// IsFinal is true when another try cannot end differently.
	IsFinal bool `json:"-"`
}

func (e *Error) Error() string { return e.Message }

// New returns an error that another try may avoid.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Final returns an error that another try cannot avoid.
func Final(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), IsFinal: true}
}

// WithHint returns the error with a next step for the user.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Of returns an error's Error: its own, or HOST_NO_SPACE for a full disk.
func Of(err error) (*Error, bool) {
	var known *Error
	if errors.As(err, &known) {
		return known, true
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return Final(NoSpace, "Cannot write: %v", err).WithHint("free disk space and try again"), true
	}
	return nil, false
}
