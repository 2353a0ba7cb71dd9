import { expect, it } from 'vitest';
import { failure } from './fixture.js';

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('');

it.each<[string, string, RegExp]>([
  ['a NUL', 'model: a\0b\n', /^run\.yaml:1:9: not valid YAML: the control character U\+0000\n.*a\ufffdb/],
  ['an escape for the terminal', 'model: "\u001b[2J"\n', /the control character U\+001B\n.*\ufffd\[2J/],
  [
    'a tab as indentation',
    'model:\n\tx: 1\n',
    /^run\.yaml:2:1: not valid YAML: Tabs are not allowed as indentation/,
  ],
  [
    'an alias within what it names',
    'a: &a {b: [*a]}\n',
    /^run\.yaml:1:12: not valid here: this stands for what it/,
  ],
  [
    'an alias before its anchor',
    'a: *a\nb: &a 1\n',
    /^run\.yaml:1:4: not valid YAML: no anchor &a comes before this/,
  ],
  [
    'a key twice',
    'a: 1\nb: 2\na: 3\n',
    /^run\.yaml:3:1: not valid YAML: this key was given before in the same map/,
  ],
  [
    'a key twice, spelt differently',
    'a: 1\n"\\x61": 3\n',
    /^run\.yaml:2:1: not valid YAML: this key was given/,
  ],
  [
    'a tag for code',
    'model: !!js/function "x"\n',
    /^run\.yaml:1:8: not valid YAML: Unresolved tag.*plain values only/,
  ],
  ['20,000 words', lines(9_000, (i) => `k${i}: 1\n`), /^run\.yaml: more than 20000 words and marks$/],
  [
    '100 levels by indentation',
    lines(100, (i) => `${' '.repeat(i)}a:\n`),
    /^run\.yaml: nested too deeply to read$/,
  ],
  ['100 levels in one line', `a: ${'[{b: '.repeat(50)}`, /^run\.yaml: nested too deeply to read$/],
])('refuses %s', (_, text, message) => {
  expect(failure(text)).toMatch(message);
});

it.each<[string, string]>([
  ['an alias bomb', `model=[&a [x,x,x,x,x], &b [*a,*a,*a,*a,*a], [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]]`],
  ['levels', `model=${'['.repeat(1_000)}`],
  ['a long text', `model=${'x'.repeat(100_001)}`],
])('refuses --set with %s', (_, argument) => {
  expect(failure('model: a\noutput: b\nprune: {method: magnitude, sparsity: 0.5}\n', [argument])).toMatch(
    /^--set model=/,
  );
});

it('takes every problem of a file of 4000 unknown keys, in time', () => {
  const before = process.cpuUsage().user;
  expect(failure(lines(4_000, (i) => `key${i}: 1\n`))).toContain('more');
  expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(5);
});
