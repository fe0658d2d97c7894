package standin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
)

// answerPage serves the status page until the process ends: lines that say who answers
// and what has been done, under 200 or, when all is not well, 503.
func (l *life) answerPage() error {
	if l.page == 0 {
		return nil
	}
	listener, err := net.Listen("tcp", wildcard(l.page))
	if err != nil {
		return err
	}
	go http.Serve(listener, http.HandlerFunc(l.tell))
	return nil
}

func (l *life) tell(w http.ResponseWriter, r *http.Request) {
	whims, err := readWhims(l.whims, l.node)
	if whims.Mute {
		<-r.Context().Done()
		return
	}
	text, sick := l.served.status()
	if err = errors.Join(err, sick); err == nil && whims.Sick {
		err = errors.New("told to be sick")
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
	}
	fmt.Fprintf(w, "host %s\npid %d\nepoch %d\n%s", l.node, os.Getpid(), l.epoch, text)
}

func wildcard(port uint) string { return ":" + strconv.Itoa(int(port)) }

// exitCode is the exit status for the error that ended a stand-in.
func exitCode(err error) int {
	if errors.As(err, new(refusal)) {
		return exitRefused
	}
	return exitTrouble
}
