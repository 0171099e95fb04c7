// Opens every epoch of an oracle in the real engine and compares its answers.
//
//   node check.mjs ORACLE PATTERN [--write]      PATTERN: a path with EPOCH for the number
//   node check.mjs ORACLE --restore REPO WORK    by the engine's own restoreToEpoch, into WORK
//
// Databases are opened for reading, with --write for writing: then the engine changes their files.
// Exit status: 0 all answer as they must, 1 not all, 2 wrong words.

import fs from 'node:fs';
import path from 'node:path';
import { GrafeoDB, ask, isSameAnswer } from './engine.mjs';

const [oraclePath, ...words] = process.argv.slice(2);
const [first, second, third] = words;
const isRestore = first === '--restore';
if (!oraclePath || !first || (isRestore ? !third : second && second !== '--write')) {
  console.error('usage: check.mjs ORACLE PATTERN [--write] | check.mjs ORACLE --restore REPO WORK');
  process.exit(2);
}

function openEpoch(epoch) {
  if (!isRestore) {
    const file = first.replaceAll('EPOCH', epoch);
    return second ? GrafeoDB.open(file) : GrafeoDB.openReadOnly(file);
  }
  const file = path.join(third, `${epoch}.grafeo`);
  GrafeoDB.restoreToEpoch(second, Number(epoch), file);
  return GrafeoDB.openReadOnly(file);
}

let good = 0;
let bad = 0;
for (const [epoch, want] of Object.entries(JSON.parse(fs.readFileSync(oraclePath)).epochs)) {
  try {
    const database = openEpoch(epoch);
    const got = await ask(database);
    database.close();
    if (!isSameAnswer(got, want))
      throw new Error(`answers ${JSON.stringify(got)} instead of ${JSON.stringify(want)}`);
    ++good;
  } catch (error) {
    ++bad;
    console.log(`epoch ${epoch}: ${error.message}`);
  }
}
console.log(`${good} of ${good + bad} epochs answer as they must`);
process.exit(bad === 0 && good > 0 ? 0 : 1);
