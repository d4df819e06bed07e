/** One self-contained interactive page: the lab itself, inlined with all that the view holds. */
import type { Saved } from "../api/saved";

export function page(script: string, style: string, held: Saved, title: string): string {
  const data = JSON.stringify(held).replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  // subtle: inside of a script these would end it or begin a comment; all of them stand in strings there
  const code = script.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">`,
    `<title>${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</title>`,
    `<style>${style.replaceAll("</style", "<\\/style")}</style></head><body><div id="app"></div>`,
    `<script type="application/json" id="pellucid-saved">${data}</script>`,
    `<script type="module">${code}</script></body></html>`,
  ].join("\n");
}
