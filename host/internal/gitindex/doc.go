// Package gitindex prepares the index of a git working tree for a disk that the tree is written to, so that
// git there need not look at the files: an emulated guest takes seconds for 78,000 of them.
//
// Git skips what an index calls unchanged if the program in core.fsmonitor says so. In the guest, the agent
// is that program. The first answer is about the time since the disk was made: the index carries a token that
// means this time. Two extensions of the index say what git would have found then (gitformat-index(5)):
//
//   - FSMN marks each entry whose file on the disk has the size, the time and the mode in the index, which is
//     what the guest's git would compare. A file that was changed while it was sent has others, and git looks
//     at it.
//   - UNTR lists the untracked files of each folder: none. A folder that has others on the disk is left out,
//     and git reads it.
//
// A git that is not configured to ask ignores both.
package gitindex
