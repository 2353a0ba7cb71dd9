/** What `auto` takes as the memory limit. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { availableMemory, vmStatAvailable } from '../../src/system/available-memory.js';

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

/** What the kernel counts as droppable: both lists of files, and caches of its own. */
const stat =
  'anon 700000\ninactive_file 1500000\nactive_file 200000\nslab_reclaimable 3000\nslab_unreclaimable 9\n';

it('keeps to the limits of the groups around the process, without what they can drop', () => {
  const files = {
    ...meminfo,
    'proc/self/cgroup': '0::/jobs/one\n',
    'cgroup/jobs/one/memory.max': 'max\n',
    'cgroup/jobs/one/memory.current': '2000000\n',
    'cgroup/jobs/memory.max': '3000000\n',
    'cgroup/jobs/memory.current': '2600000\n',
    'cgroup/jobs/memory.stat': stat,
  };
  expect(availableMemory(system(files))).toBe(3_000_000 - (2_600_000 - 1_703_000));
  expect(availableMemory(system({ ...files, 'cgroup/jobs/one/memory.max': '1500000\n' }))).toBe(0);
  const roomy = { ...files, 'cgroup/jobs/memory.max': '900000000\n' };
  expect(availableMemory(system(roomy))).toBe(5000 * 1024);
});

it.each(['4:memory', '4:cpu,memory', '4:memory,hugetlb'])(
  'keeps to those of version 1 at %s',
  (controllers) => {
    const files = {
      ...meminfo,
      // Version 2 is there beside it, for processes alone.
      'proc/self/cgroup': `9:name=systemd:/\n${controllers}:/jobs/one\n3:cpuset:/\n0::/\n`,
      'cgroup/memory/jobs/one/memory.limit_in_bytes': '9223372036854771712\n',
      'cgroup/memory/jobs/one/memory.usage_in_bytes': '2000000\n',
      'cgroup/memory/jobs/memory.limit_in_bytes': '3000000\n',
      'cgroup/memory/jobs/memory.usage_in_bytes': '2600000\n',
      // Without total_ it is the group alone, without those below it.
      'cgroup/memory/jobs/memory.stat':
        'inactive_file 0\nactive_file 0\nhierarchical_memory_limit 3000000\ntotal_inactive_anon 900000\n' +
        'total_inactive_file 1500000\ntotal_active_file 200000\n',
    };
    expect(availableMemory(system(files))).toBe(3_000_000 - (2_600_000 - 1_700_000));
  },
);

it("sees a container's own group as the root", () => {
  const files = {
    ...meminfo,
    'proc/self/cgroup': '4:memory:/docker/3f\n',
    'cgroup/memory/memory.limit_in_bytes': '3000000\n',
    'cgroup/memory/memory.usage_in_bytes': '2000000\n',
  };
  expect(availableMemory(system(files))).toBe(1_000_000);
});

it('ignores other controllers and broken figures', () => {
  const other = { ...meminfo, 'proc/self/cgroup': '5:memoryx:/jobs\n', 'cgroup/jobs/memory.max': '1\n' };
  expect(availableMemory(system(other))).toBe(5000 * 1024);
  const broken = {
    ...meminfo,
    'proc/self/cgroup': '0::/\n',
    'cgroup/memory.max': '12x',
    'cgroup/memory.current': '1',
  };
  expect(availableMemory(system(broken))).toBe(5000 * 1024);
});

it("reads macOS' vm_stat", () => {
  const text =
    'Mach Virtual Memory Statistics: (page size of 16384 bytes)\n' +
    'Pages free:                               1000.\nPages active:                             8000.\n' +
    'Pages inactive:                           7000.\nPages speculative:                         200.\n' +
    'Pages throttled:                             0.\nPages wired down:                         3000.\n' +
    'Pages purgeable:                           500.\n';
  expect(vmStatAvailable(text)).toBe(8200 * 16_384);
  expect(vmStatAvailable(text.replace('speculative', 'else'))).toBeUndefined();
  expect(vmStatAvailable('')).toBeUndefined();
});

it('is something on this machine, and not more than it has', () => {
  const bytes = availableMemory();
  expect(bytes).toBeGreaterThan(0);
  if (process.platform !== 'linux') return;
  const total = Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
  expect(bytes).toBeLessThan(total);
});
