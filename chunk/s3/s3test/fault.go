package s3test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// Kind is one way to break a request.
type Kind int

// The kinds of faults. "Half" is half of the body, or of the head of a
// message without one.
const (
	None           Kind = iota
	InternalError       // answered 500 InternalError, never forwarded
	SlowDown            // answered 503 SlowDown, never forwarded
	LateError           // forwarded and done, then answered 500
	CopyError           // CopyObject: 200, and an error in the body, as S3 does
	DeleteError         // DeleteObjects: 200, and an error for each object in the body
	ResetRequest        // RST when half of the request has come; the server gets that half
	ResetResponse       // done, then RST when half of the response has been sent
	StallRequest        // no byte is read after half of the request; the connection stays
	StallResponse       // no byte is sent after half of the response; the connection stays
	Truncate            // FIN after half of the response, whose head promised all of it
	Shorten             // half of an object, under a head that promises just that half
	CorruptRequest      // one byte of the body is another when it reaches the server
	CorruptObject       // one byte of an object is another when it reaches the client
	SlowStart           // the first bytes of the response come one by one; no error
	kinds
)

var kindNames = [kinds]string{"none", "internal error", "slow down", "late error", "copy error", "delete error", "reset request", "reset response",
	"stall request", "stall response", "truncate", "shorten", "corrupt request", "corrupt object", "slow start"}

func (k Kind) String() string { return kindNames[k] }

// Kinds returns all kinds of faults.
func Kinds() []Kind {
	var all []Kind
	for k := InternalError; k < kinds; k++ {
		all = append(all, k)
	}
	return all
}

// Faults says which requests a proxy breaks, and how. Whether request n is broken
// depends on Seed and n; how, on what is possible for it: of that, what happened
// least so far. So every kind comes, and the same requests meet the same faults.
type Faults struct {
	Seed  uint64
	Rate  float64 // of requests that are broken: 0 none, 1 all
	Kinds []Kind  // to choose from; nil: all
	// Streak is how many requests in a row for the same method and path may be
	// broken; 0: any number.
	Streak int
	// Only, if not nil, picks the requests that may be broken.
	Only func(*http.Request) bool
}

// choose returns the fault of request n, from 0; chosen is how often each was before.
func (f *Faults) choose(n int, r *http.Request, api *API, chosen *[kinds]int) Kind {
	rng := rand.New(rand.NewPCG(f.Seed, uint64(n)))
	if rng.Float64() >= f.Rate || f.Only != nil && !f.Only(r) {
		return None
	}
	from := f.Kinds
	if from == nil {
		from = Kinds()
	}
	from = slices.DeleteFunc(slices.Clone(from), func(k Kind) bool { return !possible(k, r, api) })
	if len(from) == 0 {
		return None
	}
	rng.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return slices.MinFunc(from, func(a, b Kind) int { return chosen[a] - chosen[b] })
}

// possible says whether a fault can happen to a request.
func possible(k Kind, r *http.Request, api *API) bool {
	switch k {
	case CopyError:
		return r.Method == http.MethodPut && r.Header.Get("x-amz-copy-source") != ""
	case DeleteError:
		return r.Method == http.MethodPost && r.URL.Query().Has("delete")
	case CorruptRequest:
		return api.Guarded(r)
	case Truncate:
		return r.Method == http.MethodGet
	case Shorten, CorruptObject: // nothing guards the other answers
		return api.Guards(r)
	}
	return true
}

// GetsObject says whether a request is for the content of an object.
func GetsObject(r *http.Request) bool {
	_, key, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	query.Del("x-id")
	return r.Method == http.MethodGet && key != "" && len(query) == 0
}
