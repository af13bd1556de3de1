/** What `/openapi.json` says about itself. */
export const about = (version: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Sparring',
    version,
    description: 'Attacks images, and says what classifiers make of that.',
  },
  servers: [{ url: '.', description: 'The server that this document comes from' }],
  tags: [
    { name: 'attacks', description: 'Attack images' },
    { name: 'models', description: 'The models that are served' },
    { name: 'inference', description: 'Classify images: the Open Inference Protocol, version 2' },
    { name: 'server', description: 'About the server' },
  ],
});

/** The page that shows `/openapi.json`; its script comes from this server. */
export const docsPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Sparring: the HTTP interface</title>
    <script type="module" src="docs/openapi-explorer.js"></script>
  </head>
  <body style="margin: 0">
    <openapi-explorer spec-url="openapi.json" hide-server-selection></openapi-explorer>
    <noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> holds the same.</noscript>
  </body>
</html>
`;
