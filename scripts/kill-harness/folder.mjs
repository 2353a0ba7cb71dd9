// What lies in a folder: content for comparing, and how far a killed run had come.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const hash = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** By relative name, size, mode, modification time and SHA-256 of every file. */
export function snapshot(folder) {
  const names = readdirSync(folder, { recursive: true }).sort();
  const files = names.map((name) => [name, join(folder, name)]).filter(([, path]) => statSync(path).isFile());
  return Object.fromEntries(
    files.map(([name, path]) => {
      const { size, mode, mtimeMs } = statSync(path);
      return [name, { size, mode, mtimeMs, hash: hash(path) }];
    }),
  );
}

/** What a finished output comes to: hashes of the checkpoint's files, names of the others, the layers' figures. */
export function result(output) {
  const all = Object.entries(snapshot(output));
  const isRun = ([name]) => name.startsWith('secateur/');
  const report = JSON.parse(readFileSync(join(output, 'secateur/report.json'), 'utf8'));
  return {
    checkpoint: Object.fromEntries(
      all.filter((file) => !isRun(file)).map(([name, { hash }]) => [name, hash]),
    ),
    names: all.filter(isRun).map(([name]) => name),
    layers: report.layers.map(({ seconds, ...layer }) => layer),
    perplexity: [report.evaluation, report.calibration_evaluation].map((part) => [
      part?.dense?.perplexity,
      part?.pruned?.perplexity,
    ]),
  };
}

/** The first thing in which two results differ, in words; undefined when they are the same. */
export function difference(expected, found) {
  const names = new Set([...Object.keys(expected.checkpoint), ...Object.keys(found.checkpoint)]);
  for (const name of names) {
    if (expected.checkpoint[name] === found.checkpoint[name]) continue;
    if (!(name in expected.checkpoint)) return `${name} is left over`;
    return name in found.checkpoint ? `${name} has other bytes` : `${name} is missing`;
  }
  for (const part of ['names', 'layers', 'perplexity']) {
    if (JSON.stringify(expected[part]) !== JSON.stringify(found[part])) return `${part} differ`;
  }
  return undefined;
}

/** How far the run in a folder had come when it was killed. */
export function progress(output, blocks) {
  const folder = join(output, 'secateur');
  const journal = join(folder, 'journal.jsonl');
  if (!existsSync(journal)) return 'before the journal';
  const done = readFileSync(journal, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{"kind":"block"')).length;
  if (done < blocks) return `block ${done}`;
  if (existsSync(join(folder, 'report.json'))) return 'after the report';
  const index = readdirSync(output).some((name) => name.endsWith('.index.json'));
  return index ? 'verifying, evaluating, report' : 'copies and index';
}
