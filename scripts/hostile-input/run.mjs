// Gives hostile files to the real program and measures what it does.
//
// usage: node scripts/hostile-input/run.mjs [--only WORD] [--jobs 1] [--markdown]
//
// Every case must end with exit code 2 and a message, after at most one second more than a request for a file that is
// not there, and under 200 MB of peak RSS. Times are of the processor, so that a busy machine changes nothing.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { CASES } from './cases.mjs';

const MAX_SECONDS = 1;
const MAX_BYTES = 200e6;
/** A process that runs longer than this is killed. */
const KILL_AFTER_SECONDS = 60;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '1' },
    markdown: { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const program = join(root, 'dist/cli/main.js');
const observe = new URL('observe.mjs', import.meta.url).href;

/** Runs `secateur` with these arguments. */
function measure(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', observe, program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_SECONDS * 1000);
    let message = '';
    let usage = '';
    child.stderr.on('data', (data) => {
      message = (message + data).slice(0, 100_000);
    });
    child.stdio[3].on('data', (data) => {
      usage += data;
    });
    child.on('close', (code, signal) => {
      clearTimeout(killer);
      resolve({ code: code ?? signal, message, ...(usage === '' ? {} : JSON.parse(usage)) });
    });
  });
}

async function measureCase({ prepare }) {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-hostile-'));
  try {
    const result = await measure(await prepare(folder));
    return { ...result, message: result.message.replaceAll(folder, '…').replaceAll(root, '…/') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The message's first line, short enough for a table. */
function gist(message) {
  const line = (message.split('\n').find((text) => text.startsWith('error:')) ?? message)
    .replace(/^error: /, '')
    .trim();
  const short = line.split('\n')[0].replace(/\S*…\/(model\/)?/, '');
  return short.length > 110 ? `${short.slice(0, 109)}…` : short;
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

const base = await measure(['report', '/nowhere']);
console.log(
  `without a file: ${base.cpuSeconds.toFixed(2)} s of the processor, ${Math.round(base.peak / 1e6)} MB; Node ${process.version}\n`,
);
if (options.markdown)
  console.log('| file | attack | exit | s | MB | what it says |\n|---|---|--:|--:|--:|---|');
let failed = 0;
const cases = CASES.filter(({ group, name }) => `${group} ${name}`.includes(options.only));
const limit = pLimit(Number(options.jobs));
const running = cases.map((each) => ({ ...each, result: limit(() => measureCase(each)) }));
for (const each of running) {
  const { code, message, cpuSeconds = Number.NaN, peak = Number.NaN } = await each.result;
  const seconds = Math.max(0, cpuSeconds - base.cpuSeconds);
  const good = code === 2 && message !== '' && seconds < MAX_SECONDS && peak < MAX_BYTES;
  if (!good) failed++;
  const [time, size] = [seconds.toFixed(2), String(Math.round(peak / 1e6))];
  console.log(
    options.markdown
      ? `| ${each.group} | ${cell(each.name)} | ${code} | ${time} | ${size} | ${cell(gist(message))} |`
      : `${good ? 'ok  ' : 'FAIL'} ${`${each.group}: ${each.name}`.padEnd(60)} exit ${code}  ${time} s  ${size.padStart(3)} MB  ${gist(message)}`,
  );
}
console.log(`\n${cases.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
