package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
)

// Answers of the PropertyCollector in pages, which govmomi's simulator does not make: the rest of one belongs to the
// session that asked.

type rest struct {
	session string
	objects []string
}

var objectOf = regexp.MustCompile(`(?s)<objects>.*?</objects>`)

func cookieOf(r *http.Request) string {
	if cookie, err := r.Cookie(cookieName); err == nil {
		return cookie.Value
	}
	return ""
}

// firstPage carries out a query and answers with its first objects.
func (v *vcenter) firstPage(w http.ResponseWriter, r *http.Request) {
	inner := httptest.NewRecorder()
	v.inner.ServeHTTP(inner, r)
	body := inner.Body.String()
	objects := objectOf.FindAllString(body, -1)
	if inner.Code != http.StatusOK || len(objects) <= v.scenario.PageSize {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(inner.Code)
		w.Write(inner.Body.Bytes())
		return
	}
	v.page(w, "RetrievePropertiesEx", cookieOf(r), objects)
}

// nextPage goes on with a token, of the same session only.
func (v *vcenter) nextPage(w http.ResponseWriter, r *http.Request, token string) {
	v.mu.Lock()
	left, known := v.pages[token]
	delete(v.pages, token)
	v.mu.Unlock()
	if !known || left.session != cookieOf(r) {
		answerFault(w, "InvalidArgument", "<invalidProperty>token</invalidProperty>")
		return
	}
	v.page(w, "ContinueRetrievePropertiesEx", left.session, left.objects)
}

func (v *vcenter) page(w http.ResponseWriter, method, session string, objects []string) {
	token, size := "", v.scenario.PageSize
	if len(objects) > size {
		v.mu.Lock()
		name := fmt.Sprintf("page-%d", len(v.pages)+v.calls[method])
		v.pages[name] = rest{session, objects[size:]}
		v.mu.Unlock()
		token, objects = "<token>"+name+"</token>", objects[:size]
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, envelope, fmt.Sprintf(`<%sResponse xmlns="urn:vim25"><returnval>%s%s</returnval></%sResponse>`,
		method, token, strings.Join(objects, ""), method))
}
