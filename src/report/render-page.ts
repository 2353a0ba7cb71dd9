/**
 * One HTML page that needs nothing beside it: no script, no font, no request.
 * @module
 */
import { type Html, html, trusted } from './html.js';
import { pageStyle } from './page-style.js';

/** A complete HTML document in the style of all pages. */
export function renderPage(title: string, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${trusted(pageStyle)}</style>
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`.markup;
}
