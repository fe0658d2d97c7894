package control

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// decode reads one JSON value of at most maxRequest bytes, and nothing else.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if _, err := query(r); err != nil {
		return err
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		err = errors.Join(errors.New("more than one value"), err)
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return Errorf(CodeUsage, "bad request: more than %d bytes", maxRequest)
	}
	return Errorf(CodeUsage, "bad request: %v", err)
}

// query reads the parameters after "?" and refuses any not in allowed.
func query(r *http.Request, allowed ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, Errorf(CodeUsage, "bad request: %v", err)
	}
	for key := range q {
		if err := checkName("parameter", key, allowed); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func number(q url.Values, key string, without uint64) (uint64, error) {
	if !q.Has(key) {
		return without, nil
	}
	n, err := strconv.ParseUint(q.Get(key), 10, 64)
	if err != nil {
		return 0, Errorf(CodeUsage, "bad request: %s=%.32q is not a whole number", key, q.Get(key))
	}
	return n, nil
}

func truth(q url.Values, key string) (bool, error) {
	if !q.Has(key) {
		return false, nil
	}
	on, err := strconv.ParseBool(q.Get(key))
	if err != nil {
		return false, Errorf(CodeUsage, "bad request: %s=%.32q is neither true nor false", key, q.Get(key))
	}
	return on, nil
}

func refuse(w http.ResponseWriter, err error) {
	e := asError(err)
	answer(w, e.httpStatus(), e)
}

// answer writes v, which is one of this package's own types and so has a JSON
// form. A caller that doesn't take it within patience loses it.
func answer(w http.ResponseWriter, status int, v any) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
