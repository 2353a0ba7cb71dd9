/**
 * Dates as C's `strftime` writes them, for chat templates.
 * @module
 */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** Directives that stand for several. */
const compounds: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  h: '%b',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

/** Digits of a number at least, and what it is filled up with. */
type Numeral = readonly [value: number, width: number, fill: '0' | ' '];

function numeralOf(directive: string, date: Date): Numeral | undefined {
  const hour = date.getUTCHours();
  const year = date.getUTCFullYear();
  switch (directive) {
    case 'd':
      return [date.getUTCDate(), 2, '0'];
    case 'e':
      return [date.getUTCDate(), 2, ' '];
    case 'H':
      return [hour, 2, '0'];
    case 'I':
      return [hour % 12 || 12, 2, '0'];
    case 'j':
      return [Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / 86_400_000) + 1, 3, '0'];
    case 'k':
      return [hour, 2, ' '];
    case 'l':
      return [hour % 12 || 12, 2, ' '];
    case 'm':
      return [date.getUTCMonth() + 1, 2, '0'];
    case 'M':
      return [date.getUTCMinutes(), 2, '0'];
    case 'S':
      return [date.getUTCSeconds(), 2, '0'];
    case 'u':
      return [date.getUTCDay() || 7, 1, '0'];
    case 'w':
      return [date.getUTCDay(), 1, '0'];
    case 'y':
      return [year % 100, 2, '0'];
    case 'Y':
      return [year, 1, '0'];
    default:
      return undefined;
  }
}

function wordOf(directive: string, date: Date): string | undefined {
  const day = days[date.getUTCDay()] as string;
  const month = months[date.getUTCMonth()] as string;
  const half = date.getUTCHours() < 12 ? 'AM' : 'PM';
  const words: Readonly<Record<string, string>> = {
    a: day.slice(0, 3),
    A: day,
    b: month.slice(0, 3),
    B: month,
    f: String(date.getUTCMilliseconds() * 1000).padStart(6, '0'),
    n: '\n',
    p: half,
    P: half.toLowerCase(),
    t: '\t',
    z: '',
    Z: '',
    '%': '%',
  };
  return words[directive];
}

/**
 * What Python's `strftime` gives on Linux, in the C locale, of a time without a zone.
 * @param format with the flags `-`, `_` and `0`, as in `%-d`, before numbers
 * @param date whose UTC fields count, of a year from 1000 on
 * @throws Error at a directive that isn't known
 */
export function strftime(format: string, date: Date): string {
  return format.replace(/%([-_0]?)(.)/gsu, (whole, flag: string, directive: string) => {
    const numeral = numeralOf(directive, date);
    if (numeral !== undefined) {
      const [value, width, fill] = numeral;
      if (flag === '-') return String(value);
      return String(value).padStart(width, flag === '_' ? ' ' : flag === '0' ? '0' : fill);
    }
    const compound = compounds[directive];
    const text = compound === undefined ? wordOf(directive, date) : strftime(compound, date);
    if (text === undefined || flag !== '') throw new Error(`strftime: ${whole} is not supported`);
    return text;
  });
}
