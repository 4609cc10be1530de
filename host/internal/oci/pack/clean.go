package pack

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"banger.dev/host/internal/ext4"
)

// What the host and the guest's system write into a VM for it alone. A VM that is made of the layer gets its
// own. These become as the base has them.
var ofOneMachine = []string{
	"etc/hostname",
	"etc/machine-id",
	"var/lib/dbus/machine-id",
	"etc/profile.d/banger-image.sh",
	"etc/ssh/sshd_config.d/50-banger-image.conf",
	"usr/local/share/ca-certificates/banger",
	"var/lib/systemd/random-seed",
	"var/lib/systemd/credential.secret",
	"var/lib/urandom/random-seed",
	lostAndFound,
}

// passing are folders whose content ends with a boot, or belongs to one machine.
var passing = []string{"dev", "proc", "run", "sys", "tmp", "var/log/journal"}

const (
	sshFolder     = "etc/ssh"
	hostKeyPrefix = "ssh_host_"
	certificates  = "etc/ssl/certs"
	// authorities is where the symlinks lead that make the host's certificates known.
	authorities = "/usr/local/share/ca-certificates/banger/"
	resolvConf  = "etc/resolv.conf"
	resolvMark  = "# Written by banger"
	// maxTextBytes bounds files that are read to be changed.
	maxTextBytes = 16 << 20
)

// The lines around what comes from the host, in files that others write too
// (agent/internal/server/identity/surroundings.go).
const (
	blockBegin = "# Written by banger, at every start: begin\n"
	blockEnd   = "# Written by banger: end\n"
)

// edits remove what the host has added to files of the image.
var edits = map[string]func([]byte) []byte{
	"etc/environment":                   withoutBlock,
	"etc/ssl/certs/ca-certificates.crt": withoutBlock,
	"etc/hosts":                         withoutOwnName,
}

// cleaner makes a tree one of no machine.
type cleaner struct {
	now, base *file
	leftOut   []string
}

// clean removes what belongs to one machine, and the paths in leaveOut. It returns what it has changed.
func clean(now, base *file, leaveOut []string) ([]string, error) {
	c := &cleaner{now: now, base: base, leftOut: []string{}}
	for _, path := range ofOneMachine {
		c.asBase(path)
	}
	for _, path := range leaveOut {
		c.asBase(strings.Trim(path, "/"))
	}
	c.hostKeys()
	for _, path := range passing {
		c.contentAsBase(path)
	}
	if err := c.resolver(); err != nil {
		return nil, err
	}
	if err := c.authorityLinks(); err != nil {
		return nil, err
	}
	for path, edit := range edits {
		if err := c.edit(path, edit); err != nil {
			return nil, err
		}
	}
	return c.leftOut, nil
}

// asBase makes a path what it is in the base.
func (c *cleaner) asBase(path string) {
	found, before := c.now.find(path), c.base.find(path)
	if found == nil && before == nil {
		return
	}
	if before != nil {
		before.mark()
	}
	c.now.set(path, before)
	if found != nil {
		c.leftOut = append(c.leftOut, "/"+path)
	}
}

func (f *file) mark() {
	f.isOfBase = true
	for _, child := range f.children {
		child.mark()
	}
}

// contentAsBase makes what is in a folder what it is in the base.
func (c *cleaner) contentAsBase(path string) {
	found, before := c.now.find(path), c.base.find(path)
	if found == nil || found.kind() != ext4.KindFolder {
		return
	}
	if len(found.children) > 0 {
		c.leftOut = append(c.leftOut, "/"+path+"/*")
	}
	found.children = nil
	if before != nil && before.kind() == ext4.KindFolder {
		for _, child := range before.children {
			child.mark()
		}
		found.children = before.children
	}
}

func (c *cleaner) hostKeys() {
	names := map[string]bool{}
	for _, tree := range []*file{c.now, c.base} {
		if folder := tree.find(sshFolder); folder != nil {
			for _, child := range folder.children {
				if strings.HasPrefix(child.name, hostKeyPrefix) {
					names[child.name] = true
				}
			}
		}
	}
	for name := range names {
		c.asBase(sshFolder + "/" + name)
	}
}

func (c *cleaner) resolver() error {
	text, isText, err := c.text(resolvConf)
	if err == nil && isText && bytes.HasPrefix(text, []byte(resolvMark)) {
		c.asBase(resolvConf)
	}
	return err
}

func (c *cleaner) authorityLinks() error {
	folder := c.now.find(certificates)
	if folder == nil {
		return nil
	}
	var gone []string
	for _, child := range folder.children {
		if child.kind() != ext4.KindSymlink {
			continue
		}
		target, err := child.node.Target()
		if err != nil {
			return damaged(err)
		}
		if strings.HasPrefix(target, authorities) {
			gone = append(gone, certificates+"/"+child.name)
		}
	}
	for _, path := range gone {
		c.asBase(path)
	}
	return nil
}

// edit changes a text. A file that is then as in the base, or empty and not in the base, becomes as the base
// has it.
func (c *cleaner) edit(path string, edit func([]byte) []byte) error {
	text, isText, err := c.text(path)
	if err != nil || !isText {
		return err
	}
	edited := edit(text)
	if bytes.Equal(edited, text) {
		return nil
	}
	before := c.base.find(path)
	isOfBase := before == nil && len(edited) == 0
	if before != nil && before.kind() == ext4.KindFile && before.size() == int64(len(edited)) {
		content, err := readText(before.node)
		if err != nil {
			return err
		}
		isOfBase = bytes.Equal(content, edited)
	}
	if isOfBase {
		c.asBase(path)
		return nil
	}
	found := c.now.find(path)
	found.text, found.hasText = edited, true
	c.leftOut = append(c.leftOut, fmt.Sprintf("lines of /%s", path))
	return nil
}

func (c *cleaner) text(path string) ([]byte, bool, error) {
	found := c.now.find(path)
	if found == nil || found.kind() != ext4.KindFile || found.size() > maxTextBytes {
		return nil, false, nil
	}
	text, err := readText(found.node)
	return text, err == nil, err
}

func readText(node ext4.Node) ([]byte, error) {
	content, err := node.Content()
	if err != nil {
		return nil, damaged(err)
	}
	text, err := io.ReadAll(io.LimitReader(content, maxTextBytes))
	if err != nil {
		return nil, damaged(err)
	}
	return text, nil
}

// withoutBlock returns what others have written into a file.
func withoutBlock(content []byte) []byte {
	head, rest, found := bytes.Cut(content, []byte(blockBegin))
	if !found {
		return content
	}
	if _, tail, isWhole := bytes.Cut(rest, []byte(blockEnd)); isWhole {
		return append(bytes.Clone(head), tail...)
	}
	return head
}

// withoutOwnName removes the lines with the VM's own name from hosts(5).
func withoutOwnName(content []byte) []byte {
	var kept bytes.Buffer
	for line := range bytes.Lines(content) {
		if fields := bytes.Fields(line); len(fields) > 0 && string(fields[0]) == "127.0.1.1" {
			continue
		}
		kept.Write(line)
	}
	return kept.Bytes()
}
