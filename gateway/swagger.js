// Swagger UI over our own document. Whoever is signed in to the dashboard is known here too.
window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    domNode: document.getElementById("api"),
    deepLinking: true,
    displayRequestDuration: true,
    requestInterceptor: (request) => {
      if (new URL(request.url, location.href).origin === location.origin) request.headers["X-Binocular"] = "dashboard";
      return request;
    },
    tryItOutEnabled: true,
    validatorUrl: null,
  });
});
