package probe

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// served listens on loopback and does with each connection what it is told.
func served(t *testing.T, address string, with func(net.Conn)) string {
	t.Helper()
	rig.Need(t, rig.Netns)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go with(conn)
		}
	}()
	return l.Addr().String()
}

func shut(c net.Conn) { c.Close() }

// answer is an HTTP server that says ok and closes.
func answer(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 4096)
	if _, err := c.Read(buffer); err == nil {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

// hang takes what comes and never answers; it ends when the other side does.
func hang(c net.Conn) {
	io.Copy(io.Discard, c)
	c.Close()
}

// deaf is an address at which connections are neither taken nor refused: its
// queue is one long and full.
func deaf(t *testing.T) string {
	t.Helper()
	rig.Need(t, rig.Netns)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	at := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Bind(fd, at); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for range 8 {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue does not become full")
	return ""
}

// refused is an address at which nobody listens, and nobody can begin to: the port is
// kept by a socket that does not.
func refused(t *testing.T) string {
	t.Helper()
	rig.Need(t, rig.Netns)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}

func TestPort(t *testing.T) {
	six := served(t, "[::1]:0", shut)
	_, number, _ := net.SplitHostPort(six)
	const short = 20 * time.Millisecond
	for _, c := range []struct {
		name, address string
		timeout       time.Duration
		ok            bool
		text          string
	}{
		{"accepts", served(t, "127.0.0.1:0", hang), 0, true, "connected"},
		{"accepts and closes", served(t, "127.0.0.1:0", shut), 0, true, "connected"},
		{"IPv6", six, 0, true, "connected"},
		{"localhost that is IPv6 alone", "localhost:" + number, 0, true, "connected"},
		{"refuses", refused(t), 0, false, "connection refused"},
		{"hangs", deaf(t), short, false, "timed out after 20ms"},
		{"no way there", "192.0.2.1:80", 0, false, "network is unreachable"},
	} {
		if ok, text := once(t, "tcp://"+c.address, Options{Timeout: c.timeout}); ok != c.ok || text != c.text {
			t.Errorf("%s: %v %q, want %q", c.name, ok, text, c.text)
		}
	}
}

// site is a web server with pages of many kinds.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "all is ok") })
	mux.HandleFunc("/sick", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	mux.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", bodyLimit)+"ok") })
	mux.HandleFunc("/just", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", bodyLimit-2)+"ok") })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "all")
	})
	mux.HandleFunc("/stuck", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "all")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://db.example/", http.StatusFound)
	})
	mux.HandleFunc("/ftp", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://127.0.0.1/", http.StatusFound)
	})
	mux.HandleFunc("/hint", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "ok")
	})
	for n := range 4 { // /4 leads to /3, and so on to /ok
		to := fmt.Sprintf("/%d", n)
		if n == 0 {
			to = "/ok"
		}
		mux.HandleFunc(fmt.Sprintf("/%d", n+1), func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.UserAgent(), r.Close) })
	return mux
}

func TestPage(t *testing.T) {
	rig.Need(t, rig.Netns)
	s := httptest.NewServer(site())
	t.Cleanup(s.Close)
	for _, c := range []struct {
		page    string
		timeout time.Duration
		ok      bool
		text    string
	}{
		{"/ok", 0, true, "status 200"},
		{`/ok expect=200 body="is ok"`, 0, true, "status 200"},
		{"/ok expect=204", 0, false, "status 200"},
		{"/ok body=KO", 0, false, `status 200, but the body does not contain "KO"`},
		{"/sick", 0, false, "status 503"},
		{"/sick expect=500-599", 0, true, "status 503"},
		{"/missing", 0, false, "status 404"},
		{"/just body=ok", 0, true, "status 200"},
		{"/late body=ok", 0, false, `status 200, but the body does not contain "ok"`},
		{"/cut body=all", 0, true, "status 200"},
		{"/cut body=more", 0, false, "closed without an answer"},
		{"/stuck body=more", 50 * time.Millisecond, false, "timed out after 50ms"},
		{"/3 body=ok", 0, true, "status 200"},
		{"/4", 0, false, "more than 3 redirects"},
		{"/4 expect=302", 0, true, "status 302"},
		{"/away", 0, false, "redirected: db.example is a name: give an address or localhost, since a resolver may look from another network"},
		{"/ftp", 0, false, "redirected to ftp"},
		{"/hint body=ok", 0, true, "status 200"},
		{"/who body=vipdtrue", 0, true, "status 200"},
	} {
		if ok, text := once(t, s.URL+c.page, Options{Timeout: c.timeout}); ok != c.ok || text != c.text {
			t.Errorf("%s: %v %q, want %q", c.page, ok, text, c.text)
		}
	}
}

func TestPageOfNoServer(t *testing.T) {
	for _, c := range []struct {
		name, address string
		timeout       time.Duration
		text          string
	}{
		{"refuses", refused(t), 0, "connection refused"},
		{"closes", served(t, "127.0.0.1:0", func(c net.Conn) { c.Read(make([]byte, 4096)); c.Close() }), 0, "closed without an answer"},
		{"no way there, and no proxy", "192.0.2.1", 0, "network is unreachable"},
		{"hangs", served(t, "127.0.0.1:0", hang), 20 * time.Millisecond, "timed out after 20ms"},
		{"promises for ever", served(t, "127.0.0.1:0", func(c net.Conn) {
			io.WriteString(c, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 2*interim))
			hang(c)
		}), 0, "no answer after 5 that promise one"},
		{"an endless header", served(t, "127.0.0.1:0", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 2*(headLimit+bodyLimit)))
			hang(c)
		}), 0, "closed without an answer"},
		{"deaf", deaf(t), 20 * time.Millisecond, "timed out after 20ms"},
		{"other words", served(t, "127.0.0.1:0", func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n"); hang(c) }), 0,
			`malformed HTTP`},
	} {
		ok, text := once(t, "http://"+c.address+"/", Options{Timeout: c.timeout})
		if ok || !strings.Contains(text, c.text) {
			t.Errorf("%s: %v %q, want %q", c.name, ok, text, c.text)
		}
	}
}

func TestCertificates(t *testing.T) {
	rig.Need(t, rig.Netns)
	s := httptest.NewUnstartedServer(site())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // that we break off is no news
	s.StartTLS()
	t.Cleanup(s.Close)
	if ok, text := once(t, s.URL+"/ok", Options{}); ok || !strings.Contains(text, "certificate") {
		t.Errorf("a certificate of nobody: %v %q", ok, text)
	}
	if ok, text := once(t, s.URL+"/ok insecure body=ok", Options{}); !ok {
		t.Errorf("any certificate will do: %q", text)
	}
}
