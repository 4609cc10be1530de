package server

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/server/identity"
	"banger.dev/agent/internal/server/process"
	"banger.dev/agent/internal/server/procstat"
	"banger.dev/agent/internal/server/tarx"
)

const maxKeepBytes = 4 << 10

// answerGrace leaves time to send an answer before the power goes off: HTTP/2 does not tell the sender when
// the answer has been sent.
const answerGrace = 100 * time.Millisecond

// errorTrailer carries an error that happened after the answer had begun.
const errorTrailer = "Banger-Error"

func tarPath(r *http.Request) (string, error) {
	name := r.URL.Query().Get("path")
	if !path.IsAbs(name) || strings.ContainsRune(name, 0) {
		return "", badRequest("path %q is not absolute", name)
	}
	return path.Clean(name), nil
}

func (s *service) putTar(r *http.Request) (any, error) {
	into, err := tarPath(r)
	if err != nil {
		return nil, err
	}
	owners, err := ownersOf(r.URL.Query().Get("owner"))
	if err != nil {
		return nil, err
	}
	defer s.width.widen()()
	result, err := tarx.Unpack(r.Body, into, owners)
	return result, tarError(err)
}

// ownersOf reads whom unpacked files belong to: a user, root when it is empty, or "archive" for the owners
// that the archive names.
func ownersOf(name string) (tarx.Owners, error) {
	switch name {
	case "", "root":
		return tarx.Callers(), nil
	case "archive":
		return tarx.Owners{Kept: true}, nil
	}
	account, err := process.Accounts{}.Lookup(name)
	if err != nil {
		return tarx.Owners{}, badRequest("owner %q is neither root nor archive nor a user of the guest", name)
	}
	return tarx.Owners{UID: int(account.UID), GID: int(account.GID)}, nil
}

func (s *service) getTar(w http.ResponseWriter, r *http.Request) {
	name, err := tarPath(r)
	if err != nil {
		sendError(w, err)
		return
	}
	as := r.URL.Query().Get("as")
	if as == "." || as == ".." || strings.ContainsAny(as, "/\x00") {
		sendError(w, badRequest("%q is not a file name", as))
		return
	}
	source, err := tarx.Open(name)
	if err != nil {
		sendError(w, tarError(err))
		return
	}
	defer source.Close()
	w.Header()["Content-Type"] = []string{"application/x-tar"}
	w.Header().Set("Trailer", errorTrailer)
	how := tarx.How{As: as, MarksHoles: r.URL.Query().Get("sparse") == "1"}
	if err := source.Pack(w, how); err != nil {
		body, _ := json.Marshal(failure{Code: "failed", Message: oneLine(err.Error())})
		w.Header().Set(errorTrailer, string(body))
	}
}

// pathStat describes what is at a path, through symlinks.
type pathStat struct {
	Kind      string `json:"kind"`
	SizeBytes int64  `json:"sizeBytes"`
}

func (s *service) stat(r *http.Request) (any, error) {
	name, err := tarPath(r)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, &requestError{http.StatusNotFound, err.Error()}
	}
	if err != nil {
		return nil, err
	}
	switch {
	case info.Mode().IsRegular():
		return pathStat{"file", info.Size()}, nil
	case info.IsDir():
		return pathStat{"directory", 0}, nil
	}
	return pathStat{"other", 0}, nil
}

// tarError maps a failure of tarx to its HTTP status.
func tarError(err error) error {
	var policy *tarx.PolicyError
	var conflict *tarx.ConflictError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &policy):
		return &requestError{http.StatusBadRequest, err.Error()}
	case errors.As(err, &conflict):
		return &requestError{http.StatusConflict, err.Error()}
	case errors.Is(err, fs.ErrNotExist):
		return &requestError{http.StatusNotFound, err.Error()}
	}
	return err
}

// personalised tells the host the guest's clock, from which the host computes how long its own time took to
// arrive.
type personalised struct {
	WallClockMs int64                `json:"wallClockMs"`
	Unwritten   []identity.Unwritten `json:"unwritten,omitempty"`
}

func (s *service) personalise(r *http.Request) (any, error) {
	receivedAt := time.Now()
	wanted, err := identity.Read(r.Body)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	if s.Identity.SetClock == nil {
		return nil, errors.New("this agent cannot personalise its machine")
	}
	s.personalising.Lock()
	defer s.personalising.Unlock()
	unwritten, err := s.Identity.Apply(wanted, receivedAt)
	if err != nil {
		return nil, err
	}
	return personalised{time.Now().UnixMilli(), unwritten}, nil
}

// keep decides whether commands that were started over the connection keep running when it is lost.
func (s *service) keep(r *http.Request) (any, error) {
	var wanted struct {
		Keep *bool `json:"keep"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxKeepBytes)).Decode(&wanted); err != nil {
		return nil, badRequest("bad JSON: %v", err)
	}
	if wanted.Keep == nil {
		return nil, badRequest("keep is missing")
	}
	connOf(r).keeps.Store(*wanted.Keep)
	return empty{}, nil
}

func (s *service) stats(*http.Request) (any, error) {
	return procstat.Measure([]string{"/", "/root"})
}

func (s *service) powerOff(*http.Request) (any, error) {
	if s.PowerOff == nil {
		return nil, errors.New("this agent cannot turn its machine off")
	}
	unix.Sync()
	time.AfterFunc(answerGrace, func() {
		if err := s.PowerOff(); err != nil {
			s.Log.Printf("power off: %v", err)
		}
	})
	return empty{}, nil
}
