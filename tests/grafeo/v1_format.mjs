// What Grafeo 0.5 wrote, byte by byte: engine/formats/grafeo/README.md, sections 1, 2, 4, 5 and 7.

const CRC_OF_BYTE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_OF_BYTE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}

function fixed(size, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes.subarray(0, size);
}

function number(value) {
  if (value < 251) return Buffer.from([value]);
  if (value < 2 ** 16) return Buffer.concat([Buffer.from([251]), fixed(2, value)]);
  if (value < 2 ** 32) return Buffer.concat([Buffer.from([252]), fixed(4, value)]);
  return Buffer.concat([Buffer.from([253]), fixed(8, value)]);
}
const numbers = (...values) => Buffer.concat(values.map(number));
const string = (text) => Buffer.concat([number(Buffer.byteLength(text)), Buffer.from(text)]);
const list = (items) => Buffer.concat([number(items.length), ...items]);
const value = (what) =>
  typeof what === 'string'
    ? Buffer.concat([number(4), string(what)])
    : Buffer.concat([number(2), number(what * 2)]); // zigzag of what is not negative

function frame(...parts) {
  const payload = Buffer.concat(parts);
  return Buffer.concat([fixed(4, payload.length), payload, fixed(4, crc32(payload))]);
}
export const log = {
  createNode: (id, label) => frame(numbers(0, id), list([string(label)])),
  deleteNode: (id) => frame(numbers(1, id)),
  createEdge: (id, from, to, type) => frame(numbers(2, id, from, to), string(type)),
  setNode: (id, key, what) => frame(numbers(4, id), string(key), value(what)),
  setEdge: (id, key, what) => frame(numbers(5, id), string(key), value(what)),
  commit: (transaction) => frame(numbers(35, transaction)),
  abort: (transaction) => frame(numbers(36, transaction)),
  epoch: (epoch) => frame(numbers(38, epoch)),
};

// Nodes `{id, label, properties}`, edges `{id, from, to, type, properties}`.
export function image({ nodes, edges, epoch, transaction, time }) {
  const properties = (of) =>
    list(
      Object.entries(of).map(([key, what]) =>
        Buffer.concat([string(key), list([Buffer.concat([number(0), value(what)])])])
      )
    );
  const snapshot = Buffer.concat([
    Buffer.from([4]),
    list(
      nodes.map((n) =>
        Buffer.concat([number(n.id), list([string(n.label)]), properties(n.properties)])
      )
    ),
    list(
      edges.map((e) =>
        Buffer.concat([numbers(e.id, e.from, e.to), string(e.type), properties(e.properties)])
      )
    ),
    Buffer.alloc(12), // no schema, no indexes
    number(epoch),
  ]);
  const page = (...parts) => {
    const bytes = Buffer.alloc(4096);
    Buffer.concat(parts).copy(bytes);
    return bytes;
  };
  const creator = Buffer.alloc(32);
  creator.write('0.5.44');
  return Buffer.concat([
    page(Buffer.from('GRAF'), numbers(1, 4096, time), creator),
    page(),
    page(
      numbers(1, crc32(snapshot), snapshot.length, epoch, transaction),
      numbers(nodes.length, edges.length, time)
    ),
    snapshot,
  ]);
}

export const incremental = (start, end, frames) =>
  Buffer.concat([
    Buffer.from('GBAK'),
    fixed(4, 1),
    fixed(8, start),
    fixed(8, end),
    fixed(8, 1),
    ...frames,
  ]);

// Segments as in the JSON manifest.
export const manifest = (segments) =>
  Buffer.concat([
    number(1),
    list(
      segments.map((s) =>
        Buffer.concat([
          number(s.kind === 'Full' ? 0 : 1),
          string(s.filename),
          numbers(s.start_epoch, s.end_epoch, s.checksum, s.size_bytes, s.created_at_ms),
        ])
      )
    ),
  ]);

// The other way round, of what manifest() writes.
export function readManifest(bytes) {
  let at = 0;
  const read = (size) => bytes.subarray(at, (at += size));
  const readNumber = () => {
    const first = read(1)[0];
    if (first < 251) return first;
    return Number(Buffer.concat([read(2 ** (first - 250)), Buffer.alloc(8)]).readBigUInt64LE());
  };
  readNumber(); // the version
  return Array.from({ length: readNumber() }, () => ({
    kind: readNumber() === 0 ? 'Full' : 'Incremental',
    filename: read(readNumber()).toString(),
    start_epoch: readNumber(),
    end_epoch: readNumber(),
    checksum: readNumber(),
    size_bytes: readNumber(),
    created_at_ms: readNumber(),
  }));
}
