/**
 * What the machine is, and how quiet it is.
 * @module
 */
import { createReadStream, readdirSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long the cores are watched for other work. */
const WATCH_MS = 2000;

export function describeMachine() {
  const cores = cpus();
  return {
    platform: `${platform()} ${arch()} ${release()}`,
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memory_bytes: totalmem(),
  };
}

function coreTimes() {
  let [idle, all] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    all += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  return { idle, all };
}

/** The load averages, and which fraction of the cores' time others use while this process sleeps. */
export async function watchMachine() {
  const load = loadavg();
  const before = coreTimes();
  await sleep(WATCH_MS);
  const after = coreTimes();
  const passed = after.all - before.all;
  return { load_average: load, busy: passed > 0 ? 1 - (after.idle - before.idle) / passed : 0 };
}

/** Reads the files of a folder once, so that every peer finds them in the page cache. */
export async function readThrough(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const stream = createReadStream(join(folder, entry.name), { highWaterMark: 2 ** 20 });
    for await (const _ of stream);
  }
}
