package amitest

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
)

// What the server must refuse, it refuses.
func TestSignature(t *testing.T) {
	s := Start(t, Account{})
	for _, c := range []struct {
		name   string
		region string
		access string
		secret string
		change func(*http.Request)
		code   string
	}{
		{"right", s.Region, s.Access, s.Secret, nil, ""},
		{"another region", "us-east-1", s.Access, s.Secret, nil, "AuthFailure"},
		{"another key", s.Region, "AKOTHER", s.Secret, nil, "AuthFailure"},
		{"another secret", s.Region, s.Access, "other", nil, "AuthFailure"},
		{"no signature", s.Region, s.Access, s.Secret, func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationToken"},
		{"another body", s.Region, s.Access, s.Secret, func(r *http.Request) {
			body := "Action=DescribeImages&Version=2016-11-15&DryRun=true"
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}, "AuthFailure"},
		{"another header", s.Region, s.Access, s.Secret, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "AuthFailure"},
		{"another time", s.Region, s.Access, s.Secret, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20010101T000000Z") }, "AuthFailure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := ec2.New(ec2.Options{
				Region: c.region, BaseEndpoint: aws.String(s.Endpoint), Retryer: aws.NopRetryer{},
				Credentials: credentials.NewStaticCredentialsProvider(c.access, c.secret, ""),
				HTTPClient: sender(func(r *http.Request) (*http.Response, error) {
					if c.change != nil {
						c.change(r)
					}
					return http.DefaultClient.Do(r)
				}),
			})
			_, err := client.DescribeImages(t.Context(), &ec2.DescribeImagesInput{})
			code := ""
			var api smithy.APIError
			if errors.As(err, &api) {
				code = api.ErrorCode()
			}
			if code != c.code || (err == nil) != (c.code == "") {
				t.Errorf("error %v, want %q", err, c.code)
			}
		})
	}
}

type sender func(*http.Request) (*http.Response, error)

func (f sender) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestParameters(t *testing.T) {
	for _, c := range []struct{ query, code string }{
		{"Action=RegisterImage&Version=2016-11-15&Name=web", ""},
		{"Action=RegisterImage&Version=2016-11-15", "MissingParameter"},
		{"Action=RegisterImage&Version=2014-01-01&Name=web", "NoSuchVersion"},
		{"Action=RunInstances&Version=2016-11-15", "InvalidAction"},
		{"Action=RegisterImage&Version=2016-11-15&Name=w", "InvalidParameterValue"},
		{"Action=RegisterImage&Version=2016-11-15&Name=web&Colour=red", "UnknownParameter"},
		{"Action=RegisterImage&Version=2016-11-15&Name=web&BlockDeviceMapping.1.Ebs.VolumeSize=x", "InvalidParameterValue"},
		{"Action=RegisterImage&Version=2016-11-15&Name=web&BlockDeviceMapping.0.DeviceName=x", "UnknownParameter"},
		{"Action=RegisterImage&Version=2016-11-15&Name=web&TagSpecification.1.Tag.12.Key=x", ""},
		{"Action=DescribeImages&Version=2016-11-15&ImageId.1=ami-1&ImageId.2=ami-2", ""},
		{"Action=DescribeImages&Version=2016-11-15&ImageId=ami-1", "UnknownParameter"},
	} {
		form, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		code := ""
		if fault := checkParameters(form); fault != nil {
			code = fault.Code
		}
		if code != c.code {
			t.Errorf("%s: %q, want %q", c.query, code, c.code)
		}
	}
}
