// Prints the table of kinds in calibration/README.md from calibration/general.jsonl.
import { readFileSync } from 'node:fs';

const lines = readFileSync(new URL('../calibration/general.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const kinds = new Map();
for (const line of lines) {
  const { kind, text, messages, language } = JSON.parse(line);
  const content = text ?? messages.map((message) => message.content).join('\n');
  const entry = kinds.get(kind) ?? { passages: 0, bytes: 0, languages: new Set() };
  entry.passages++;
  entry.bytes += Buffer.byteLength(content);
  if (language) entry.languages.add(language);
  kinds.set(kind, entry);
}
console.log('| kind | passages | bytes | languages besides English |\n|---|---|---|---|');
let bytes = 0;
for (const [kind, entry] of [...kinds].sort((a, b) => b[1].bytes - a[1].bytes)) {
  bytes += entry.bytes;
  console.log(`| ${kind} | ${entry.passages} | ${entry.bytes} | ${[...entry.languages].sort().join(', ')} |`);
}
console.log(`| **all** | **${lines.length}** | **${bytes}** | |`);
