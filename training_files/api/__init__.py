"""The REST API: what a request says becomes one call of a service, and what comes of it an answer in JSON."""
