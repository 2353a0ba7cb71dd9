import { expect, it } from 'vitest';
import { CpuTimeError, withinCpuTime } from '../../src/calibration/cpu-time-limit.js';

it('gives what the body gives, and throws what it throws', () => {
  expect(withinCpuTime(1000, () => [1, 2])).toEqual([1, 2]);
  const error = new TypeError('no');
  expect(() =>
    withinCpuTime(1000, () => {
      throw error;
    }),
  ).toThrow(error);
  expect(withinCpuTime(1000, () => withinCpuTime(1000, () => 'inner'))).toBe('inner');
});

it('stops endless loops and endless regular expressions', () => {
  const before = process.cpuUsage().user;
  expect(() => {
    withinCpuTime(50, () => {
      for (;;);
    });
  }).toThrow(CpuTimeError);
  expect(() => withinCpuTime(50, () => /^(?:a+)+$/.test(`${'a'.repeat(60)}b`))).toThrow(
    /^it computed for 0\.\d s without an end$/,
  );
  expect((process.cpuUsage().user - before) / 1000).toBeGreaterThanOrEqual(50);
});
