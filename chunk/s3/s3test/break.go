package s3test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// breakRequest forwards half of a request's body, and then resets or stalls.
func (p *Proxy) breakRequest(w http.ResponseWriter, r *http.Request, k Kind) {
	p.happened(k)
	if r.ContentLength > 1 {
		half := io.LimitReader(r.Body, r.ContentLength/2)
		response, err := p.forward(r, io.MultiReader(half, cutReader{}))
		if err == nil {
			response.Body.Close() // refused before the half was read
		}
	}
	conn := take(w)
	if k == ResetRequest {
		reset(conn)
		return
	}
	p.hold(conn)
}

// cutReader is the end of a body that was cut.
type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, errCut }

// breakResponse gives the client a broken version of the server's response.
func (p *Proxy) breakResponse(w http.ResponseWriter, r *http.Request, response *http.Response, k Kind) {
	size := response.ContentLength
	switch k {
	case LateError:
		p.api.Answer(w, r, http.StatusInternalServerError, p.api.Internal, "We encountered an internal error. Please try again.")
		return
	case CorruptObject:
		response.Body = io.NopCloser(&flipper{response.Body, size / 2})
		pass(w, response)
		return
	case Shorten:
		response.ContentLength = size / 2
		response.Body = io.NopCloser(io.LimitReader(response.Body, size/2))
		pass(w, response)
		return
	}
	conn := take(w)
	all := head(response)
	if k == SlowStart {
		trickle(conn, all)
		_, _ = io.Copy(conn, response.Body)
		conn.Close()
		return
	}
	if r.Method == http.MethodHead || size <= 1 {
		_, _ = conn.Write(all[:len(all)/2])
	} else {
		_, _ = conn.Write(all)
		_, _ = io.CopyN(conn, response.Body, size/2)
	}
	switch k {
	case ResetResponse:
		reset(conn)
	case StallResponse:
		p.hold(conn)
	default:
		conn.Close()
	}
}

// head returns the head of a response as it is sent. The connection ends with it.
func head(response *http.Response) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %s\r\n", response.Status)
	header := response.Header.Clone()
	if response.ContentLength >= 0 {
		header.Set("Content-Length", strconv.FormatInt(response.ContentLength, 10))
	}
	header.Set("Connection", "close")
	_ = header.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// trickle sends the first 20 bytes one by one, 10 ms apart.
func trickle(conn net.Conn, all []byte) {
	first := min(20, len(all))
	for i := range first {
		_, _ = conn.Write(all[i : i+1])
		time.Sleep(10 * time.Millisecond)
	}
	_, _ = conn.Write(all[first:])
}

// flipper changes one bit of what it passes: of the byte that comes after left
// others.
type flipper struct {
	r    io.Reader
	left int64
}

func (f *flipper) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.left >= 0 && f.left < int64(n) {
		p[f.left] ^= 1
	}
	f.left -= int64(n)
	return n, err
}
