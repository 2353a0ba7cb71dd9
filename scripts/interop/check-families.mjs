// Prunes a copy of every golden checkpoint of test/golden/families, or of another folder that make-families.py has made, and
// checks in PyTorch what came of it (check-families.py says what). Prints a line a checkpoint and `N passed, N failed`; the
// exit status is 1 when something failed. --write puts the tables into a document, with the errors that
// test/model/families.test.ts measures.
//
//   node scripts/interop/check-families.mjs [--python python3] [--jobs 2] [--from FOLDER] [--write docs/models.md] [NAME…]
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { goldenFamilies } from '../golden-model.mjs';
import { pruneFamily, writeTexts } from './family-runs.mjs';
import { withTables } from './family-table.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    jobs: { type: 'string', default: '2' },
    from: { type: 'string', default: goldenFamilies },
    write: { type: 'string' },
  },
});

const folder = mkdtempSync(join(tmpdir(), 'secateur-families-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
const texts = writeTexts(folder);
const names = positionals.length > 0 ? positionals : readdirSync(values.from).sort();
const limit = pLimit(Number(values.jobs));
const cases = await Promise.all(
  names.map((name) =>
    limit(() => pruneFamily(name, values.from, folder, texts)).catch((error) => ({
      name,
      runs: [],
      failures: { checkpoint: error.message },
    })),
  ),
);
let [passed, failed] = [0, 0];
function say(name, subject, problems, detail) {
  if (problems.length === 0) passed++;
  else failed++;
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'}  ${name}, ${subject}: ${detail}`);
  for (const problem of problems) console.log(`      ${problem}`);
}
const results = checkInPyTorch();
const digits = (value) => value?.toPrecision(6) ?? '–';
const perplexities = (ours, theirs) => `perplexity ${digits(ours)}, in transformers ${digits(theirs)}`;
for (const { name, perplexity, runs, failures } of cases) {
  for (const [goal, message] of Object.entries(failures)) say(name, goal, [message], 'failed');
  if (runs.length === 0 || results === undefined) continue;
  const { dense, ...pruned } = results[name];
  say(name, 'dense', dense.problems, perplexities(perplexity, dense.perplexity));
  for (const { goal, linears, perplexity } of runs) {
    const { problems, modules = 0, perplexity: theirs } = pruned[goal];
    const counts = `${linears.length} linears, ${modules} modules`;
    say(name, goal, problems, `${counts}, ${perplexities(perplexity, theirs)}`);
  }
}
if (values.write && results) {
  const document = readFileSync(values.write, 'utf8');
  const shown = cases.filter(({ runs }) => runs.length > 0);
  writeFileSync(values.write, withTables(document, shown, results, measuredErrors()));
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** What check-families.py finds, by name of the checkpoint and goal; undefined when it dies, which is one failure. */
function checkInPyTorch() {
  const [list, found] = ['cases.json', 'results.json'].map((file) => join(folder, file));
  const plain = cases.map(({ checkpoint, model, ...rest }) => rest).filter(({ runs }) => runs.length > 0);
  writeFileSync(list, JSON.stringify(plain));
  const script = fileURLToPath(new URL('check-families.py', import.meta.url));
  const stdio = ['ignore', 'inherit', 'inherit'];
  const { status, signal, error } = spawnSync(values.python, [script, list, found], { stdio });
  if (status !== 0) {
    const how = error ? error.message : signal ? `ended by ${signal}` : `ended with ${status}`;
    say('all', 'in PyTorch', [`${values.python} check-families.py: ${how}; nothing was compared`], 'failed');
    return undefined;
  }
  return JSON.parse(readFileSync(found, 'utf8'));
}

/** By name of the checkpoint; the tests leave them in their report. */
function measuredErrors() {
  const report = join(folder, 'tests.json');
  const test = ['run', 'test/model/families.test.ts', '--reporter=json', `--outputFile=${report}`];
  execFileSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...test], { cwd: root });
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const measured = testResults.flatMap(({ assertionResults }) => assertionResults);
  return new Map(
    measured.flatMap(({ ancestorTitles, meta }) => (meta.errors ? [[ancestorTitles[0], meta.errors]] : [])),
  );
}
