// Package gitwatch tells git in the guest which files have changed, so that it need not look at all of them:
// in a tree of 78,000 files, that takes an emulated guest seconds.
//
// Git asks the program in core.fsmonitor (githooks(5), fsmonitor-watchman, version 2), which the host sets in
// large repositories. The program is this agent ("banger-agent changes"); it asks the agent that serves the
// host, over a socket. That one has the kernel note all changes of a file system (fanotify(7)) and reads the
// notes only when it is asked. It answers with all names that have changed since it began, never with fewer:
// a name too many only makes git look at one more file.
//
// When it cannot know, it answers that everything may have changed, and starts over: too many changes, a
// folder that was renamed or is gone, and a changed file with several names, because git may know another one
// of them.
//
// Git remembers a token with each answer. A token of another agent, of another guest or from before such a
// moment means that everything may have changed. One token stands for the making of a disk that the host has
// written (host/internal/gitindex); it counts when the disk was mounted for the first time just before the
// kernel began to note changes.
package gitwatch
