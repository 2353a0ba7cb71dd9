/** What `auto` takes as the memory limit. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { availableMemory } from '../../src/system/available-memory.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
/** A system that tells what `files` hold. */
function system(files: Record<string, string>) {
  const root = join(folder, `${count++}`);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return { proc: join(root, 'proc'), cgroups: join(root, 'cgroup') };
}

const meminfo = { 'proc/meminfo': 'MemTotal: 9000 kB\nMemFree:  100 kB\nMemAvailable:    5000 kB\n' };

it('counts page cache that can be dropped', () => {
  expect(availableMemory(system(meminfo))).toBe(5000 * 1024);
});

it('keeps to the limits of the groups around the process, without their droppable cache', () => {
  const files = {
    ...meminfo,
    'proc/self/cgroup': '0::/jobs/one\n',
    'cgroup/jobs/one/memory.max': 'max\n',
    'cgroup/jobs/one/memory.current': '2000000\n',
    'cgroup/jobs/memory.max': '3000000\n',
    'cgroup/jobs/memory.current': '2600000\n',
    'cgroup/jobs/memory.stat': 'anon 900000\ninactive_file 1500000\nactive_file 200000\n',
  };
  expect(availableMemory(system(files))).toBe(3_000_000 - (2_600_000 - 1_500_000));
  expect(availableMemory(system({ ...files, 'cgroup/jobs/one/memory.max': '1500000\n' }))).toBe(0);
  const roomy = { ...files, 'cgroup/jobs/memory.max': '900000000\n' };
  expect(availableMemory(system(roomy))).toBe(5000 * 1024);
});

it('ignores groups of version 1 and broken figures', () => {
  const files = { ...meminfo, 'proc/self/cgroup': '5:memory:/jobs\n', 'cgroup/jobs/memory.max': '1\n' };
  expect(availableMemory(system(files))).toBe(5000 * 1024);
  const broken = {
    ...meminfo,
    'proc/self/cgroup': '0::/\n',
    'cgroup/memory.max': '12x',
    'cgroup/memory.current': '1',
  };
  expect(availableMemory(system(broken))).toBe(5000 * 1024);
});

it('is something on this machine, and not more than it has', () => {
  const bytes = availableMemory();
  expect(bytes).toBeGreaterThan(0);
  if (process.platform !== 'linux') return;
  const total = Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
  expect(bytes).toBeLessThan(total);
});
