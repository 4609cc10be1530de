package confine

import (
	"debug/elf"
	"io"
	"strings"
)

// maximum length of an interpreter's path (PATH_MAX)
const maxInterpreter = 4096

// programFiles returns the program and, if it is dynamically linked, the loader that the kernel starts for
// it.
func (p *Plan) programFiles() []string {
	if len(p.Argv) == 0 {
		return nil
	}
	files := []string{p.Argv[0]}
	program, err := elf.Open(p.Argv[0])
	if err != nil {
		// exec will report what is wrong with the program.
		return files
	}
	defer program.Close()
	for _, segment := range program.Progs {
		if segment.Type != elf.PT_INTERP || segment.Filesz > maxInterpreter {
			continue
		}
		if path, err := io.ReadAll(segment.Open()); err == nil {
			files = append(files, strings.TrimRight(string(path), "\x00"))
		}
	}
	return files
}
