package secrets

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// parts is a server that sends one part after another.
type parts struct {
	next   chan string
	closed chan struct{}
}

func (p *parts) Read(into []byte) (int, error) {
	select {
	case text, isMore := <-p.next:
		if !isMore {
			return 0, io.EOF
		}
		return copy(into, text), nil
	case <-p.closed:
		return 0, io.ErrClosedPipe
	}
}

func (p *parts) Close() error { close(p.closed); return nil }

// A guest that decides what a server sends must not find out a value by what is held back.
func TestWhatIsHeldBackSaysNothingOfTheValue(t *testing.T) {
	made := newSwap([]Secret{{"A", placeholder, "api.test", 443, value}}).redaction()
	arrivals := func(sent ...string) (sizes []int, times []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			source := &parts{make(chan string, len(sent)), make(chan struct{})}
			body := made.body(source, nil)
			defer body.Close()
			go func() {
				for _, each := range sent {
					source.next <- each
					time.Sleep(2 * quietTime)
				}
				close(source.next)
			}()
			begin := time.Now()
			for buffer := make([]byte, 64<<10); ; {
				count, err := body.Read(buffer)
				if err != nil {
					return
				}
				sizes, times = append(sizes, count), append(times, time.Since(begin))
			}
		})
		return sizes, times
	}
	for _, before := range []string{"", "text\n", strings.Repeat("x", 16<<10), strings.Repeat("x", 100) + "\n"} {
		for length := 1; length < len(value); length++ {
			right := before + value[:length]
			wrong := before + strings.Repeat("#", length)
			sizes, times := arrivals(right, "end")
			others, otherTimes := arrivals(wrong, "end")
			if !slices.Equal(sizes, others) || !slices.Equal(times, otherTimes) {
				t.Fatalf("%d right characters: %v %v, wrong ones: %v %v", length, sizes, times, others, otherTimes)
			}
		}
	}
}

func TestAValueThatComesInPartsIsMasked(t *testing.T) {
	made := newSwap([]Secret{{"A", placeholder, "api.test", 443, value}}).redaction()
	for pause, want := range map[time.Duration]string{
		quietTime / 2: "<" + strings.Repeat("*", len(value)) + ">",
		// The first part has left by then.
		quietTime * 2: "<" + value[:5] + strings.Repeat("*", len(value)-5) + ">",
	} {
		synctest.Test(t, func(t *testing.T) {
			source := &parts{make(chan string), make(chan struct{})}
			go func() {
				source.next <- "<" + value[:5]
				time.Sleep(pause)
				source.next <- value[5:] + ">"
				close(source.next)
			}()
			body := made.body(source, nil)
			defer body.Close()
			if got, err := io.ReadAll(body); err != nil || string(got) != want {
				t.Errorf("after %v: %q, %v", pause, got, err)
			}
		})
	}
}

func TestALineIsNotHeldBack(t *testing.T) {
	made := newSwap([]Secret{{"A", placeholder, "api.test", 443, value}}).redaction()
	synctest.Test(t, func(t *testing.T) {
		source := &parts{make(chan string, 1), make(chan struct{})}
		source.next <- "data: " + value[:3] + "\n"
		body := made.body(source, nil)
		defer body.Close()
		begin := time.Now()
		buffer := make([]byte, 100)
		if count, err := body.Read(buffer); count != 10 || err != nil || time.Since(begin) > 0 {
			t.Errorf("%q after %v, %v", buffer[:count], time.Since(begin), err)
		}
	})
}

func TestAnotherRequestDoesNotFetchWhatAServerKept(t *testing.T) {
	kept := "nothing yet"
	w := newWorld(t, "api.test", func(answer http.ResponseWriter, request *http.Request) {
		if note := request.Header.Get("X-Note"); note != "" {
			kept = note
			return
		}
		answer.Header().Set("X-Encoding", request.Header.Get("Accept-Encoding"))
		fmt.Fprint(answer, kept, ` {"json": "`, strings.ReplaceAll(kept, "/", `\/`), `"}`)
	})
	client := w.client(true)
	request := get(t, "https://api.test/")
	request.Header.Set("X-Note", placeholder)
	w.do(client, request)
	_, text, header := w.do(client, get(t, "https://api.test/"))
	if want := strings.Repeat("*", len(value)) + ` {"json": "` + strings.Repeat("*", len(value)+1) + `"}`; text != want {
		t.Errorf("%q", text)
	}
	if header.Get("X-Encoding") != "identity" {
		t.Errorf("an answer may be encoded: %q", header.Get("X-Encoding"))
	}
}

func TestAnUpgradedConnectionIsSearched(t *testing.T) {
	w := newWorld(t, "api.test", func(answer http.ResponseWriter, request *http.Request) {
		if request.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Error("messages may be compressed")
		}
		connection, buffered, err := answer.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer connection.Close()
		fmt.Fprint(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		fmt.Fprintf(connection, "%s|%s", line, request.Header.Get("X-Token"))
	})
	connection := tls.Client(w.connect(), &tls.Config{RootCAs: w.trust(), ServerName: "api.test"})
	fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\nX-Token: %s\r\n\r\n", placeholder)
	reader := bufio.NewReader(connection)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", answer, err)
	}
	fmt.Fprint(connection, "hello\n")
	_ = connection.SetReadDeadline(time.Now().Add(20 * time.Second))
	text, err := io.ReadAll(reader)
	if want := "hello\n|" + strings.Repeat("*", len(value)); string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
}

func TestARequestThatServersCouldReadOtherwiseIsRefused(t *testing.T) {
	asked := make(chan string, 10)
	w := newWorld(t, "api.test", func(_ http.ResponseWriter, request *http.Request) { asked <- request.Host })
	for text, status := range map[string]int{
		"GET http:evil.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n":                                       400,
		"GET / HTTP/1.1\r\nHost: api.test\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n":             400,
		"GET / HTTP/1.1\r\nHost: api.test\r\nHost: evil.test\r\n\r\n":                                  400,
		"GET / HTTP/1.1\r\nHost: api.test\r\nX: a\r\n b\r\nX\x00: c\r\n\r\n":                           400,
		"GET / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: xchunked\r\n\r\n":                      501,
		"GET / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n":           400,
		"GET / HTTP/1.1\r\nHost: API.test.\r\nConnection: close\r\n\r\n":                               200,
		"GET / HTTP/1.1\r\nHost: [api.test]:443\r\nConnection: close\r\n\r\n":                          200,
		"GET https://api.test/ HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n":               200,
		"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nX: a\r\n\r\n":         421,
		"GET / HTTP/1.1\r\nHost: api.test\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n": 431,
	} {
		connection := tls.Client(w.connect(), &tls.Config{RootCAs: w.trust(), ServerName: "api.test"})
		_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.Copy(connection, bytes.NewReader([]byte(text)))
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil || answer.StatusCode != status {
			t.Errorf("%.80q: %v %v", text, answer, err)
		}
		if status != 200 {
			continue
		}
		if host := <-asked; host != "api.test" && host != "api.test:443" {
			t.Errorf("%q: the server is told %q", text, host)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the server is asked for %q", <-asked)
	}
}
