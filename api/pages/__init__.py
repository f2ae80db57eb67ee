"""The pages for people: server-rendered, no script needed, nothing from elsewhere.

Owns: templates, static files, every text of the pages in both languages, the view models that templates see.
May import: registry services, verifier, codes, and of api the access table, the errors and the door (api.http).
Promises: pages show the same facts as the JSON API, masked by the server; no personal data in an address; the strict
content security policy of api.http.rim holds without exceptions.
The walk enters at `routes.router`, whose rows of the access table stand in `access.PAGE_ACCESS`.
"""
