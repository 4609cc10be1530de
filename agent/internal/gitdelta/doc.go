// Package gitdelta applies what a host has changed in a git working tree since it sent it, as the script does
// that comes with each delta (the host's adapters/workspace/sent/apply-script.ts). That script starts a dozen
// programs, each of which takes an emulated guest tens of milliseconds.
//
// It applies only what needs neither git nor a decision: files that were changed, added or deleted, none of
// which the guest has changed, and objects. Anything else is the script's: Apply then returns ErrNotSimple
// and has changed nothing, or as much as the script finds done.
package gitdelta
