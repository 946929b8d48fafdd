// Swagger UI on the description of this site's API. Who is logged in to the admin may try the requests out.
"use strict";

{
  const { description, csrfHeader, csrfValue } = document.getElementById("api").dataset;

  window.SwaggerUIBundle({
    url: description,
    dom_id: "#api",
    deepLinking: true,
    validatorUrl: null, // would ask a server elsewhere
    requestInterceptor: (request) => {
      if (new URL(request.url, document.baseURI).origin === location.origin) {
        request.headers[csrfHeader] = csrfValue;
      }
      return request;
    },
  });
}
