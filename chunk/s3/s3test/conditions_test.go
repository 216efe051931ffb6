package s3test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What the table of makes says about conditions is so.
func TestConditions(t *testing.T) {
	s := Start(t)
	client, bucket := s.Client(), aws.String(s.Bucket(t))
	there, other := aws.String("there"), aws.String(`"00000000000000000000000000000000"`)
	put := func(in s3.PutObjectInput) error {
		in.Bucket, in.Body = bucket, bytes.NewReader([]byte("text"))
		_, err := client.PutObject(t.Context(), &in)
		return err
	}
	if err := put(s3.PutObjectInput{Key: there}); err != nil {
		t.Fatal(err)
	}
	have := Conditions{}
	have.PutAbsent = put(s3.PutObjectInput{Key: there, IfNoneMatch: aws.String("*")}) != nil
	have.PutMatch = put(s3.PutObjectInput{Key: there, IfMatch: other}) != nil
	_, err := client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(*bucket + "/there"), CopySourceIfMatch: other})
	have.CopyMatch = err != nil
	gone := func() bool {
		_, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: there})
		if err != nil {
			if err := put(s3.PutObjectInput{Key: there}); err != nil {
				t.Fatal(err)
			}
		}
		return err != nil
	}
	_, _ = client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: there, IfMatch: other})
	have.DeleteMatch = !gone() // some say an error, some say nothing
	_, _ = client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: there, ETag: other}}}})
	have.DeletesMatch = !gone()
	if have != s.Make.Conditions {
		t.Errorf("%s %s: %+v, the table says %+v", s.Make.Name, s.Make.Version, have, s.Make.Conditions)
	}
}

// The table of servers in the manual's page about S3 says what the table of makes says.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../../../cmd/purebundle/manual/s3.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range Makes {
		var heeded, not []string
		for _, c := range []struct {
			name string
			is   bool
		}{{"put", m.Conditions.PutAbsent && m.Conditions.PutMatch}, {"copy", m.Conditions.CopyMatch},
			{"delete", m.Conditions.DeleteMatch}, {"DeleteObjects", m.Conditions.DeletesMatch}} {
			if c.is {
				heeded = append(heeded, c.name)
			} else {
				not = append(not, c.name)
			}
		}
		want := strings.Join(heeded, ", ")
		if len(not) > 0 {
			want += "; not " + strings.Join(not, ", ")
		}
		found := false
		for line := range strings.Lines(string(manual)) {
			cells := strings.Split(line, " | ")
			found = found || len(cells) == 4 && strings.Contains(cells[0], m.Name) &&
				strings.HasPrefix(cells[1], strings.TrimPrefix(m.Version, "v")+",") && cells[2] == want
		}
		if !found {
			t.Errorf("no line of %s %s: %s", m.Name, m.Version, want)
		}
	}
}
