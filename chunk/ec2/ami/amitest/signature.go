package amitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxSkew is how far the time of a request may be from that of the server.
const maxSkew = 5 * time.Minute

// CheckSignature signs what was signed again with the same keys: the signature
// must be the one that the request has. body is what a service whose bodies are
// signed was sent; nil: this service's are not.
func (s Account) CheckSignature(r *http.Request, service string, body []byte) *Fault {
	have := r.Header.Get("Authorization")
	if have == "" {
		return &Fault{http.StatusUnauthorized, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	}
	when, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return &Fault{http.StatusBadRequest, "IncompleteSignature", "Date must be in ISO-8601 'basic format'."}
	}
	scope := when.Format("20060102") + "/" + s.Region + "/" + service + "/aws4_request"
	if !strings.HasPrefix(have, "AWS4-HMAC-SHA256 Credential="+s.Access+"/"+scope+", SignedHeaders=") {
		return &Fault{http.StatusUnauthorized, "AuthFailure", "Credential should be scoped to " + scope + " of a known key."}
	}
	if skew := time.Since(when); skew.Abs() > maxSkew {
		return &Fault{http.StatusBadRequest, "RequestExpired", "Request has expired."}
	}
	_, list, _ := strings.Cut(have, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	signed := strings.Split(list, ";")
	for _, must := range []string{"host", "x-amz-date"} {
		if !strings.Contains(";"+list+";", ";"+must+";") {
			return &Fault{http.StatusUnauthorized, "AuthFailure", "'" + must + "' must be a signed header."}
		}
	}
	want, err := s.sign(r, service, body, signed, when)
	if err != nil || want != have {
		return &Fault{http.StatusUnauthorized, "AuthFailure", fmt.Sprintf("AWS was not able to validate the provided access credentials (%v)", err)}
	}
	return nil
}

// unsigned stands for the digest of a body that is not signed.
const unsigned = "UNSIGNED-PAYLOAD"

// sign returns the Authorization that the signed headers and the body should have.
func (s Account) sign(r *http.Request, service string, body []byte, signed []string, when time.Time) (string, error) {
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	for _, name := range signed {
		if name == "content-length" {
			again.ContentLength = r.ContentLength
		} else if name != "host" {
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	digest := unsigned
	if body != nil {
		sum := sha256.Sum256(body)
		digest = hex.EncodeToString(sum[:])
	}
	keys := aws.Credentials{AccessKeyID: s.Access, SecretAccessKey: s.Secret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	err = v4.NewSigner().SignHTTP(r.Context(), keys, again, digest, service, s.Region, when)
	return again.Header.Get("Authorization"), err
}
