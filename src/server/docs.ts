/** What `/openapi.json` says about itself. */
export const about = (version: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Sparring',
    version,
    description: 'Attacks images with a trained attacker, and says what two classifiers make of it.',
  },
  servers: [{ url: '.', description: 'The server that this document comes from' }],
  tags: [
    { name: 'attacks', description: 'Attack images' },
    { name: 'models', description: 'The models of the run' },
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
