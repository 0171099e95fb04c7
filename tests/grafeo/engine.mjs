// The real Grafeo, and what a database of these tests answers when it is asked for everything.

import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

export const { GrafeoDB } = createRequire(import.meta.url)('@grafeo-db/js');

const EVERYTHING = {
  things: 'MATCH (t:Thing) RETURN t.key AS key, t.value AS value, t.text AS text',
  ties: 'MATCH (a:Thing)-[r:TIE]->(b:Thing) RETURN a.key AS from, b.key AS to, r.weight AS weight',
};

const plain = (value) => (typeof value === 'bigint' ? Number(value) : (value ?? null));

// Two databases with the same answer hold the same things and ties.
export function answerOf(things, ties) {
  const lines = [
    ...things.map(({ key, value, text }) => ['thing', key, value, text]),
    ...ties.map(({ from, to, weight }) => ['tie', from, to, weight]),
  ].map((row) => JSON.stringify(row.map(plain)));
  const rows = createHash('sha256').update(lines.sort().join('\n')).digest('hex');
  return { nodes: things.length, edges: ties.length, rows };
}

// `database`: anything with execute(), a view of an earlier epoch too.
export async function ask(database) {
  const rows = async (query) => (await database.execute(query)).toArray();
  return answerOf(await rows(EVERYTHING.things), await rows(EVERYTHING.ties));
}

export const isSameAnswer = (a, b) => a.nodes === b.nodes && a.edges === b.edges && a.rows === b.rows;

// Numbers in [0, limit) from a seed, the same on every machine.
export function dice(seed) {
  let state = BigInt(seed) & 0xffffffffn;
  return (limit) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 33n) % BigInt(limit));
  };
}
