// Safetensors files, most of them wrong in one way: case number → bytes, the same on every machine.

const BITS = {
  ...{ BOOL: 8, F4: 4, F6_E2M3: 6, F6_E3M2: 6, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8 },
  ...{ F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32 },
  ...{ C64: 64, F64: 64, I64: 64, U64: 64 },
};
const DTYPES = Object.keys(BITS);

/** A small generator of random numbers (mulberry32), its seed mixed from a run's seed and a case's number. */
class Random {
  #state;
  constructor(seed, index) {
    this.#state = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 0;
    for (let i = 0; i < 4; i++) this.next();
  }
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(count) {
    return Math.floor(this.next() * count);
  }
  chance(probability) {
    return this.next() < probability;
  }
  pick(list) {
    return list[this.below(list.length)];
  }
}

const NAMES = [
  ...[
    'a',
    'b',
    'weight',
    'model.layers.0.mlp.up_proj.weight',
    'lm_head.weight',
    '',
    ' ',
    '7',
    '-1',
    'dtype',
    'shape',
  ],
  ...[
    'data_offsets',
    '__proto__',
    'constructor',
    'toString',
    'naïve',
    '☃',
    '😀',
    '\u0000',
    '\u007f',
    '\u2028',
    'x'.repeat(300),
  ],
  ...[
    '__metadata',
    '__metadata__ ',
    '"',
    '\\',
    '/',
    '\ufeff',
    '\ufffd',
    '\ud7ff',
    '\ue000',
    'ﬁ',
    'e\u0301',
    'é',
  ],
];

const STRINGS = [
  ...[
    '"\\u0000"',
    '"\\u0061"',
    '"\\ud83d\\ude00"',
    '"\\ud83d"',
    '"\\ude00"',
    '"\\ude00\\ud83d"',
    '"\\ud83d\\u0061"',
    '"\\ud83dx"',
  ],
  ...[
    '"\\uD83D\\uDE00"',
    '"\\udbff\\udfff"',
    '"\\ud800\\udc00\\udc00"',
    '"\\n\\r\\t\\b\\f\\/\\\\\\""',
    '"\\x41"',
    '"\\u12"',
    '"\\u12g4"',
    '"\\U0041"',
  ],
  ...[
    '"\\\'"',
    '"\\"',
    '"',
    "'a'",
    'a',
    '"a',
    '"\n"',
    '"\t"',
    '"\u0000"',
    '"\u001f"',
    '"\u007f"',
    '"\u2028"',
    '"\\v"',
    '"\\a"',
    '"\\0"',
  ],
  ...[
    '"\\u+123"',
    '"\\u 123"',
    '"\\u{61}"',
    '"\\ud83d\\n"',
    '"\\ud83d\\\\"',
    '""',
    '"\\u00e9"',
    '"é"',
    '"\\uffff"',
    '"\\ufffe"',
    '"\\ufeff"',
  ],
];

const NUMBERS = [
  ...[
    '-0',
    '-1',
    '0',
    '1',
    '00',
    '01',
    '-01',
    '+1',
    '1.',
    '.5',
    '1.0',
    '0.0',
    '-0.0',
    '1e0',
    '1E0',
    '1e3',
    '1e+3',
    '1e-3',
    '1e',
    '1e+',
  ],
  ...[
    '0e0',
    '0e999',
    '0e-999',
    '1e308',
    '1e309',
    '1e999',
    '-1e999',
    '1e-400',
    '1e99999999999999999999',
    '0e99999999999999999999',
    '1e-99999999999999999999',
  ],
  ...[
    'NaN',
    'Infinity',
    '-Infinity',
    'nan',
    '0x10',
    '1_000',
    '1,0',
    '4294967295',
    '4294967296',
    '9007199254740991',
    '9007199254740992',
  ],
  ...[
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '18446744073709551615',
    '18446744073709551616',
    '-9223372036854775808',
  ],
  ...[
    '-9223372036854775809',
    '100000000000000000000000000000000',
    `1${'0'.repeat(400)}`,
    `1${'0'.repeat(308)}`,
    `1${'0'.repeat(400)}e-400`,
  ],
  ...[
    `0.${'0'.repeat(400)}1e401`,
    `0.${'1'.repeat(500)}`,
    '1.7976931348623157e308',
    '1.7976931348623159e308',
    '5e-324',
    '1e-323',
    '2e-324',
  ],
  ...[
    '179769313486231580793728971405301e276',
    '0.1',
    '123456789012345678901234567890e-10',
    '1 ',
    ' 1',
    '"1"',
    'null',
    'true',
    '[1]',
    '{}',
    '--1',
    '1-',
    '1e1.5',
  ],
];

const VALUES = [
  ...[
    'null',
    'true',
    'false',
    '[]',
    '{}',
    '""',
    '0',
    '[[]]',
    '[{}]',
    '{"a":1}',
    'nul',
    'True',
    'None',
    'undefined',
    'tru',
    'truex',
    '',
  ],
  ...[
    '{"a":{"b":[1,2,{"c":null}]}}',
    '[1,"x",null,true,1.5e3]',
    '[1,]',
    '{"a":1,}',
    '{,}',
    '[,]',
    '{"a"}',
    '{"a":}',
    '{a:1}',
    '{1:1}',
    '/**/1',
    '1//',
  ],
];

const SPACES = [
  ' ',
  '\t',
  '\n',
  '\r',
  '  \n',
  '\u00a0',
  '\u000b',
  '\u000c',
  '\u2003',
  '\ufeff',
  '\u0085',
  '\u0000',
  '//\n',
  '/**/',
  '#',
];

const scalar = (value) => JSON.stringify(value);

/** A file as parts that a mutation can reach: raw JSON texts, so that anything can be spelt. */
function validFile(random) {
  const tensors = [];
  const names = new Set();
  const count = random.pick([0, 1, 1, 2, 2, 3, 4, 6]);
  while (names.size < count) names.add(random.chance(0.5) ? random.pick(NAMES) : `t${random.below(1000)}`);
  let end = 0;
  for (const name of names) {
    const dtype = random.pick(DTYPES);
    const shape = Array.from({ length: random.below(5) }, () => random.below(6));
    while ((shape.reduce((product, size) => product * size, 1) * BITS[dtype]) % 8 !== 0) shape.push(4);
    const begin = end;
    end += (shape.reduce((product, size) => product * size, 1) * BITS[dtype]) / 8;
    tensors.push({
      key: scalar(name),
      fields: [
        ['"dtype"', scalar(dtype)],
        ['"shape"', JSON.stringify(shape)],
        ['"data_offsets"', JSON.stringify([begin, end])],
      ],
      dtype,
      shape,
      begin,
      end,
    });
  }
  const members = [...tensors];
  if (random.chance(0.3)) shuffle(random, members);
  for (const tensor of tensors) if (random.chance(0.2)) shuffle(random, tensor.fields);
  if (random.chance(0.4)) {
    const value = random.pick(['{}', '{"format":"pt"}', '{"a":"1","b":"naïve ☃","":""}', 'null']);
    members.splice(random.below(members.length + 1), 0, { key: '"__metadata__"', raw: value });
  }
  return {
    tensors,
    members,
    data: Buffer.from(Array.from({ length: end }, () => random.below(256))),
    space: random.chance(0.2) ? () => ' \n'.slice(random.below(2)).slice(0, random.below(2)) : () => '',
    before: '',
    after: ' '.repeat(random.pick([0, 0, 1, 7])),
    /** Applied to the JSON's bytes, then to the whole file's. */
    jsonChanges: [],
    fileChanges: [],
  };
}

function shuffle(random, list) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
}

function render(file) {
  const { space } = file;
  const member = ([key, value]) => `${space()}${key}${space()}:${space()}${value}${space()}`;
  const members = file.members.map(({ key, raw, fields }) =>
    member([key, raw ?? `{${fields.map(member).join(',')}}`]),
  );
  let json = Buffer.from(`${file.before}{${members.join(',')}}${file.after}`);
  for (const change of file.jsonChanges) json = change(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  let bytes = Buffer.concat([length, json, file.data]);
  for (const change of file.fileChanges) bytes = change(bytes);
  return bytes;
}

/** A random tensor and its field of that name, `[name, value]` to be changed in place; empty when there is none. */
function field(random, file, name) {
  const tensor = file.tensors.length > 0 ? random.pick(file.tensors) : undefined;
  const entry = tensor?.fields.find(([key]) => key === `"${name}"`);
  return entry ? { ...tensor, entry } : {};
}

/** Changes up to `count` bytes from `from` on: others, more, fewer. */
const disturb = (random, count, from, special) => (bytes) => {
  const list = [...bytes];
  for (let i = 0; i <= random.below(count); i++) {
    const at = from + random.below(Math.max(1, list.length - from));
    const byte = special && random.chance(0.6) ? random.pick(special) : random.below(256);
    const kind = random.below(4);
    if (kind === 0) list.splice(at, 1);
    else if (kind === 1) list.splice(at, 0, byte);
    else if (kind === 2) list[at] = byte;
    else list[at] ^= 1 << random.below(8);
  }
  return Buffer.from(list);
};

const JSON_BYTES = [...Buffer.from('{}[]",:\\0123456789.-+eEtrufalsn \t\n\r')];

/** A number near an offset, or far from any. */
function nearby(random, value) {
  const kind = random.below(8);
  if (kind < 4) return String(Math.max(0, value + random.below(9) - 4));
  if (kind === 4) return random.pick(NUMBERS);
  if (kind === 5) return String(2n ** BigInt(random.below(66)) - BigInt(random.below(2)));
  if (kind === 6) return String(-random.below(10));
  return String(random.below(3) * value);
}

const nested = (open, close, depth, inner = '') => open.repeat(depth) + inner + close.repeat(depth);

/** What can be done to a file; the names are the lines of the runner's table. */
const MUTATIONS = {
  'left valid': () => {},

  'bytes of the header'(random, file) {
    file.jsonChanges.push(disturb(random, 4, 0, JSON_BYTES));
  },

  'bytes anywhere'(random, file) {
    file.fileChanges.push(disturb(random, 4, 0));
  },

  'header length'(random, file) {
    file.fileChanges.push((bytes) => {
      if (bytes.length < 8) return bytes;
      const length = bytes.readBigUInt64LE();
      const options = [
        length + BigInt(random.below(20)),
        length - BigInt(random.below(20)),
        BigInt(bytes.length - 8),
        BigInt(bytes.length),
        2n ** BigInt(random.below(64)),
        2n ** 64n - 1n - BigInt(random.below(16)),
        2n ** 63n,
        2n ** 60n,
        100_000_000n + BigInt(random.below(3)) - 1n,
        0n,
        BigInt(random.below(bytes.length)),
      ];
      const changed = Buffer.from(bytes);
      changed.writeBigUInt64LE(BigInt.asUintN(64, random.pick(options)));
      return changed;
    });
  },

  'cut or lengthened'(random, file) {
    file.fileChanges.push((bytes) => {
      const kind = random.below(4);
      if (kind === 0) return bytes.subarray(0, random.below(bytes.length + 1));
      if (kind === 1) return bytes.subarray(0, Math.max(0, bytes.length - 1 - random.below(8)));
      if (kind === 2) return Buffer.concat([bytes, Buffer.alloc(1 + random.below(16), random.below(256))]);
      return bytes.subarray(0, random.below(12));
    });
  },

  offsets(random, file) {
    if (file.tensors.length > 1 && random.chance(0.4)) {
      const [a, b] = [random.pick(file.tensors), random.pick(file.tensors)];
      [a.fields, b.fields] = [b.fields, a.fields];
      return;
    }
    const { entry: offsets, begin, end } = field(random, file, 'data_offsets');
    if (!offsets) return;
    const shift = random.below(9) - 4;
    offsets[1] = random.pick([
      `[${nearby(random, begin)},${end}]`,
      `[${begin},${nearby(random, end)}]`,
      `[${begin + shift},${end + shift}]`,
      `[${end},${begin}]`,
      `[${begin}]`,
      `[${begin},${end},${end}]`,
      '[]',
      `[[${begin},${end}]]`,
      `{"0":${begin},"1":${end}}`,
      `[${nearby(random, begin)},${nearby(random, end)}]`,
      `["${begin}",${end}]`,
      `[${begin},${end},]`,
    ]);
  },

  dtypes(random, file) {
    const { entry, dtype: name } = field(random, file, 'dtype');
    if (!entry) return;
    entry[1] = random.pick([
      ...Array.from({ length: 8 }, () => scalar(random.pick(DTYPES))),
      scalar(name.toLowerCase()),
      scalar(`${name} `),
      scalar(
        random.pick([
          'F31',
          'float32',
          'I4',
          'U4',
          'F6',
          'F8',
          'F8_E4M3FN',
          'C128',
          'constructor',
          '__proto__',
          '',
        ]),
      ),
      `"\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}"`,
      `{"${name}":null}`,
      `{"${name}":{}}`,
      `{"${name}":[]}`,
      `{"${name}":1}`,
      `["${name}"]`,
      `{"${name}":null,"F32":null}`,
      String(random.below(22)),
      random.pick(VALUES),
    ]);
  },

  shapes(random, file) {
    const { entry, shape } = field(random, file, 'shape');
    if (!entry) return;
    const sizes = shape.map(String);
    const huge = () => String(2n ** BigInt(20 + random.below(45)) - BigInt(random.below(2)));
    const at = random.below(sizes.length + 1);
    const kind = random.below(8);
    if (kind === 0) sizes.splice(at, 0, '1');
    else if (kind === 1) sizes.splice(at, 0, '0', huge());
    else if (kind === 2) sizes.splice(at, 0, huge(), '0');
    else if (kind === 3) sizes.splice(at, 0, huge(), huge(), '0');
    else if (kind === 4) sizes.splice(at, 1, random.pick(NUMBERS));
    else if (kind === 5) shuffle(random, sizes);
    else if (kind === 6)
      sizes.splice(0, sizes.length, ...Array.from({ length: random.below(200) }, () => '1'));
    else sizes.splice(at, random.below(2), nearby(random, Number(sizes[at] ?? 1)));
    entry[1] = random.chance(0.9) ? `[${sizes.join(',')}]` : random.pick(VALUES);
  },

  'numbers in unknown fields'(random, file) {
    const place =
      random.chance(0.7) && file.tensors.length > 0 ? random.pick(file.tensors).fields : undefined;
    const value = random.pick([random.pick(NUMBERS), `[${random.pick(NUMBERS)}]`]);
    if (place) place.splice(random.below(place.length + 1), 0, ['"x"', value]);
    else file.members.push({ key: '"x"', raw: value });
  },

  'text and escapes'(random, file) {
    const text = random.pick(STRINGS);
    const kind = random.below(5);
    if (kind === 0 && file.tensors.length > 0) random.pick(file.tensors).key = text;
    else if (kind === 1 && file.tensors.length > 0) random.pick(file.tensors).fields.push([text, '1']);
    else if (kind === 2 && file.tensors.length > 0) random.pick(file.tensors).fields.push(['"x"', text]);
    else if (kind === 3) file.members.push({ key: '"__metadata__"', raw: `{${text}:"x"}` });
    else file.members.push({ key: '"__metadata__"', raw: `{"k":${text}}` });
  },

  'invalid UTF-8'(random, file) {
    const bytes = random.pick([
      ...[
        [0x80],
        [0xff],
        [0xfe],
        [0xc0, 0x80],
        [0xc1, 0xbf],
        [0xed, 0xa0, 0x80],
        [0xed, 0xbf, 0xbf],
        [0xf4, 0x90, 0x80, 0x80],
      ],
      ...[
        [0xe0, 0x80, 0x80],
        [0xf0, 0x80, 0x80, 0x80],
        [0xc3],
        [0xe2, 0x98],
        [0xf8, 0x88, 0x80, 0x80, 0x80],
        [0xef, 0xbf, 0xbe],
        [0xc3, 0xa9],
      ],
    ]);
    file.jsonChanges.push((json) => {
      const quotes = [...json.keys()].filter((at) => json[at] === 0x22);
      const at =
        random.chance(0.8) && quotes.length > 0 ? random.pick(quotes) + 1 : random.below(json.length + 1);
      return Buffer.concat([json.subarray(0, at), Buffer.from(bytes), json.subarray(at)]);
    });
  },

  'white space and padding'(random, file) {
    const kind = random.below(5);
    const odd = random.pick(SPACES);
    if (kind === 0) file.before = odd.repeat(1 + random.below(3));
    else if (kind === 1) file.after = odd.repeat(1 + random.below(9));
    else if (kind === 2) file.space = () => random.pick(SPACES.slice(0, 5));
    else if (kind === 3) file.space = () => (random.chance(0.1) ? odd : '');
    else file.after = random.pick(['}', '{}', ',', ' null', '\u0000', '\u0000'.repeat(7), ' {"b":1}']);
  },

  nesting(random, file) {
    const depth = random.pick([1, 10, 100, ...Array.from({ length: 12 }, (_, i) => 118 + i), 1000, 100_000]);
    const value = random.pick([
      nested('[', ']', depth),
      nested('{"a":', '}', depth, '1'),
      nested('[{"a":', '}]', Math.ceil(depth / 2), 'null'),
      '['.repeat(depth),
      '{"a":'.repeat(depth),
    ]);
    const kind = random.below(4);
    if (kind === 0 && file.tensors.length > 0) random.pick(file.tensors).fields.push(['"x"', value]);
    else if (kind === 1) file.members.push({ key: '"x"', raw: value });
    else if (kind === 2) file.members.push({ key: '"__metadata__"', raw: value });
    else if (file.tensors.length > 0) random.pick(file.tensors).fields[0][1] = value;
  },

  duplicates(random, file) {
    if (file.members.length === 0) return;
    const kind = random.below(6);
    const member = random.pick(file.members);
    if (kind === 0) file.members.push({ ...member });
    else if (kind === 1) file.members.push({ key: member.key, raw: random.pick(VALUES) });
    else if (kind === 2) file.members.unshift({ key: member.key, raw: random.pick(VALUES) });
    else if (kind === 3 && member.fields) member.fields.push([...random.pick(member.fields)]);
    else if (kind === 4) {
      file.members = file.members.filter(({ key }) => key !== '"__metadata__"');
      file.members.push({ key: '"__metadata__"', raw: '{"k":"1","k":"2"}' });
    } else if (member.fields) member.fields.push(['"x"', '1'], ['"x"', '2']);
  },

  metadata(random, file) {
    if (random.chance(0.8)) file.members = file.members.filter(({ key }) => key !== '"__metadata__"');
    const text = () => random.pick([...STRINGS, '"a"', '"b"', '"é"', '"😀"']);
    file.members.push({
      key: random.pick([
        '"__metadata__"',
        '"__metadata__"',
        '"__metadata__"',
        '"\\u005f_metadata__"',
        '"__METADATA__"',
      ]),
      raw: random.pick([
        `{${text()}:${text()}}`,
        `{"k":${random.pick(VALUES)}}`,
        `{"k":${random.pick(NUMBERS)}}`,
        random.pick(VALUES),
        '{"dtype":"F32","shape":[],"data_offsets":[0,0]}',
        '[["a","b"]]',
        '["a"]',
        `{"a":"${'x'.repeat(random.below(5000))}","b":"y"}`,
      ]),
    });
  },

  structure(random, file) {
    const tensor = file.tensors.length > 0 ? random.pick(file.tensors) : undefined;
    const raw = (name) => tensor.fields.find(([key]) => key === `"${name}"`)?.[1];
    const kind = random.below(9);
    if (!tensor || kind === 0) file.members.push({ key: '"x"', raw: random.pick(VALUES) });
    else if (kind === 1) tensor.fields.splice(random.below(3), 1);
    else if (kind === 2) random.pick(tensor.fields)[1] = random.pick(VALUES);
    else if (kind === 3) tensor.raw = `[${raw('dtype')},${raw('shape')},${raw('data_offsets')}]`;
    else if (kind === 4) tensor.raw = random.pick(VALUES);
    else if (kind === 5) tensor.fields.push([scalar(random.pick(NAMES)), random.pick(VALUES)]);
    else if (kind === 6)
      random.pick(tensor.fields)[0] = random.pick([
        '"Dtype"',
        '"offsets"',
        '"data_offset"',
        '"dtype "',
        "'dtype'",
        'dtype',
      ]);
    else if (kind === 7) tensor.raw = `[${raw('dtype')},${raw('shape')},${raw('data_offsets')},1]`;
    else
      file.jsonChanges.push((json) =>
        Buffer.from(random.pick([`[${json}]`, `"${json}"`, 'null', '', '1', '[]', '{', '}', '{}{}'])),
      );
  },

  grammar(random, file) {
    file.jsonChanges.push((json) => {
      const text = json.toString();
      const marks = [...text.matchAll(/[{}[\],:"]/g)];
      const { index, 0: mark } = random.pick(marks.length > 0 ? marks : [{ index: 0, 0: '' }]);
      const other = random.pick([
        '',
        mark + mark,
        ',',
        ':',
        '"',
        '{',
        '}',
        '[',
        ']',
        `${mark},`,
        `,${mark}`,
        ' ',
        "'",
        ';',
        '=',
      ]);
      return Buffer.from(text.slice(0, index) + other + text.slice(index + mark.length));
    });
  },
};

const SINGLE = Object.keys(MUTATIONS);

/** Every class of cases, in the order of the table. */
export const CLASSES = [...SINGLE, 'several of these'];

/**
 * Case `index` of the run with `seed`.
 * @returns {{class: string, bytes: Buffer}} the classes take turns
 */
export function makeCase(seed, index) {
  const random = new Random(seed, index);
  const file = validFile(random);
  const name = CLASSES[index % CLASSES.length];
  if (name !== 'several of these') MUTATIONS[name](random, file);
  else for (let i = 0; i < 2 + random.below(3); i++) MUTATIONS[random.pick(SINGLE)](random, file);
  return { class: name, bytes: render(file) };
}
