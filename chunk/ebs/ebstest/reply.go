package ebstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// reply is the answer to a request that succeeded.
type reply struct {
	status int // 0: 200
	header http.Header
	body   []byte
}

// known lists the query parameters and the headers x-amz- that an operation has.
var known = map[string][]string{
	"StartSnapshot":      {},
	"PutSnapshotBlock":   {"x-amz-data-length", "x-amz-progress", "x-amz-checksum", "x-amz-checksum-algorithm"},
	"CompleteSnapshot":   {"x-amz-changedblockscount", "x-amz-checksum", "x-amz-checksum-algorithm", "x-amz-checksum-aggregation-method"},
	"ListSnapshotBlocks": {"maxResults", "pageToken", "startingBlockIndex"},
	"GetSnapshotBlock":   {"blockToken"},
}

// always lists the headers x-amz- that all requests have.
var always = []string{"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent"}

// unknown refuses what the API does not know.
func (*reply) unknown(operation string, r *http.Request) *Fault {
	list := known[operation]
	for name, values := range r.URL.Query() {
		if !slices.Contains(list, name) || len(values) != 1 {
			return validation("INVALID_PARAMETER_VALUE", "unknown parameter %s", name)
		}
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(list, lower) && !slices.Contains(always, lower) {
			return validation("INVALID_PARAMETER_VALUE", "unknown header %s", name)
		}
	}
	return nil
}

// maxBody is the longest body that is read, in bytes, of what is no block.
const maxBody = 1 << 20

// readBody reads the body of a request: one more byte than there may be is an error.
func readBody(operation string, r *http.Request) ([]byte, error) {
	most := int64(maxBody)
	if operation == "PutSnapshotBlock" {
		most = BlockSize
	}
	if r.ContentLength > most {
		return nil, fmt.Errorf("body of %d bytes", r.ContentLength)
	}
	body := make([]byte, 0, max(r.ContentLength, 0)+1)
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		case int64(len(body)) > most:
			return nil, fmt.Errorf("body of more than %d bytes", most)
		case len(body) == cap(body):
			body = append(body, 0)[:len(body)]
		}
	}
}

// json makes v the body.
func (w *reply) json(v any) *Fault {
	text, err := json.Marshal(v)
	if err != nil {
		return &Fault{http.StatusInternalServerError, "InternalServerException", err.Error(), ""}
	}
	w.body = text
	w.header.Set("Content-Type", "application/json")
	return nil
}

// snapshot answers StartSnapshot.
func (w *reply) snapshot(sn *snapshot) *Fault {
	w.status = http.StatusCreated
	out := map[string]any{"SnapshotId": sn.id, "OwnerId": "123456789012", "Status": sn.state, "StartTime": float64(sn.began.Unix()),
		"VolumeSize": sn.gib, "BlockSize": BlockSize, "Tags": sn.tags, "Description": sn.description, "SseType": "none"}
	if sn.encrypted {
		out["SseType"], out["KmsKeyArn"] = "sse-kms", sn.key
	}
	return w.json(out)
}

func (w *reply) send(to http.ResponseWriter) {
	for name, values := range w.header {
		to.Header()[name] = values
	}
	to.Header().Set("x-amzn-RequestId", "EXAMPLE")
	to.Header().Set("Content-Length", strconv.Itoa(len(w.body)))
	if w.status != 0 {
		to.WriteHeader(w.status)
	}
	_, _ = to.Write(w.body)
}

// answer sends an error as EBS gives it.
func answer(w http.ResponseWriter, f *Fault) {
	text, _ := json.Marshal(map[string]string{"Message": f.Message, "Reason": f.Reason}) // strings are encoded always
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-amzn-ErrorType", f.Code)
	w.Header().Set("x-amzn-RequestId", "EXAMPLE")
	w.WriteHeader(f.Status)
	_, _ = w.Write(text)
}
