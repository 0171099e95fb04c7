// Makes a Grafeo backup directory, and writes down what each of its epochs must answer.
//
//   node make.mjs WHAT DIRECTORY SEED
//
// WHAT           v2         by the engine
//                v1         by hand
//                continued  v1, which the engine then goes on with as v2
//                written    v2, by `epochfs backup` while the database is open
//                busy       likewise, while it is written to and checkpointed
//                written-v1 v1, by `epochfs backup` of a database that was killed
//                packed     likewise as `written`, into a repository of epochfs
//                packed-busy  likewise as `busy`
//                turns      v2, by the engine and `epochfs backup` in turns, between which it is closed
//
// DIRECTORY/repo    the backup directory, or the repository with the database `shop`
// DIRECTORY/live    the database; v1 alone has none, for no 0.5 is at hand to write one
// DIRECTORY/oracle.json
//   epochs   of each epoch in the directory `nodes`, `edges` and a sum of its `rows`
//   holes    epochs that were committed but are in no backup
//   silent   epochs that changed nothing and left no trace in the log

import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { GrafeoDB, answerOf, ask, dice, isSameAnswer } from './engine.mjs';
import * as v1 from './v1_format.mjs';

class Oracle {
  epochs = new Map();
  silent = new Set();

  record(epoch, answer) {
    const before = this.epochs.get(epoch);
    if (before && !isSameAnswer(before, answer)) throw new Error(`epoch ${epoch} changed`);
    this.epochs.set(epoch, answer);
  }

  save(directory) {
    const segments = readManifest(path.join(directory, 'repo'));
    const isFull = (segment) => segment.kind === 'Full';
    const first = segments.find(isFull).end_epoch;
    const epochs = {};
    const holes = [];
    const silent = [];
    for (const [epoch, answer] of [...this.epochs].sort(([a], [b]) => a - b)) {
      const in_full = segments.some((s) => isFull(s) && s.end_epoch === epoch);
      const in_log = segments.some(
        (s) => !isFull(s) && s.start_epoch <= epoch && epoch <= s.end_epoch
      );
      if (in_full || (in_log && !this.silent.has(epoch))) epochs[epoch] = answer;
      else if (in_log) silent.push(epoch);
      else if (epoch > first) holes.push(epoch);
    }
    const text = JSON.stringify({ epochs, holes, silent }, null, 1);
    fs.writeFileSync(path.join(directory, 'oracle.json'), `${text}\n`);
    return Object.keys(epochs).length;
  }
}

function readManifest(repository) {
  if (fs.existsSync(path.join(repository, 'epochfs.json')))
    return JSON.parse(fs.readFileSync(path.join(repository, 'shop', 'manifest.json'))).segments;
  const bytes = fs.readFileSync(path.join(repository, 'backup_manifest.json'));
  return bytes[0] === 0x7b ? JSON.parse(bytes).segments : v1.readManifest(bytes);
}

const epochfs = (words) => JSON.parse(execFileSync(process.env.EPOCHFS_COMMAND, words));

// ------------------------------------------------------------------------------ v2: by the engine

class LiveDatabase {
  constructor(file, roll, oracle) {
    Object.assign(this, { file, roll, oracle, nextKey: 0 });
    this.database = fs.existsSync(file) ? GrafeoDB.open(file) : GrafeoDB.create(file);
  }

  backUp(kind, repository) {
    if (kind === 'Full') this.database.backupFull(repository);
    else this.database.backupIncremental(repository);
  }

  epoch = () => Number(this.database.currentEpoch());
  remember = async () => this.oracle.record(this.epoch(), await ask(this.database));
  newThing = (text = `text ${this.roll(1000)}`) =>
    `INSERT (:Thing {key: ${this.nextKey++}, value: ${this.roll(1e6)}, text: '${text}'})`;
  someKey = () => this.roll(Math.max(1, this.nextKey));

  someQuery() {
    const a = this.someKey();
    const b = this.someKey();
    const choice = this.roll(10);
    if (choice < 5 || this.nextKey < 5) return this.newThing();
    if (choice < 7) return `MATCH (t:Thing {key: ${a}}) SET t.value = ${this.roll(1e6)}`;
    if (choice < 9)
      return `MATCH (a:Thing {key: ${a}}), (b:Thing {key: ${b}})
              INSERT (a)-[:TIE {weight: ${this.roll(100)}}]->(b)`;
    return `MATCH (t:Thing {key: ${a}}) DETACH DELETE t`;
  }

  async transaction(queries) {
    const transaction = this.database.beginTransaction();
    for (const query of queries) await transaction.execute(query);
    return transaction;
  }
  async commit(queries) {
    (await this.transaction(queries)).commit();
    await this.remember();
  }
  // What finds nothing to change advances the epoch at most.
  async commitNothing() {
    const before = this.epoch();
    await this.commit(['MATCH (t:Thing {key: -1}) SET t.value = 1']);
    if (this.epoch() > before) this.oracle.silent.add(this.epoch());
  }

  // What happens to a database, each under its name.
  happenings = {
    small: () => this.commit([this.newThing(), this.someQuery()]),
    // Records are packed to some 64 KiB: this group has several frames.
    large: () => this.commit(Array.from({ length: 70 }, () => this.newThing('x'.repeat(1000)))),
    rolledBack: async () => (await this.transaction([this.newThing()])).rollback(),
    nothing: () => this.commitNothing(),
    index: async () => {
      await this.database.execute(
        `CREATE INDEX by_${this.nextKey}_${this.roll(1e9)} FOR (t:Thing) ON (t.value)`
      );
      await this.remember();
      this.oracle.silent.delete(this.epoch()); // it has taken the epoch before it
    },
    interleaved: async () => {
      const open = [];
      for (let i = 0; i < 3; ++i) open.push(await this.transaction([this.newThing()]));
      for (const transaction of open) {
        transaction.commit();
        await this.remember();
      }
    },
    // Writers at the same time; which one got which epoch is asked for afterwards.
    concurrent: async () => {
      const before = this.epoch();
      const pin = this.database.asOf(BigInt(before)); // keeps the history from here on
      const queries = Array.from({ length: 8 }, () => this.newThing());
      await Promise.all(queries.map((query) => this.database.execute(query)));
      for (let epoch = before + 1; epoch <= this.epoch(); ++epoch) {
        const view = this.database.asOf(BigInt(epoch));
        this.oracle.record(epoch, await ask(view));
        view.close();
      }
      pin.close();
    },
    checkpoint: async () => this.database.walCheckpoint(),
    reopen: () => this.reopen(),
  };

  async reopen() {
    this.database.close();
    this.database = GrafeoDB.open(this.file);
  }

  async live(count) {
    const names = Object.keys(this.happenings);
    const always = ['small', 'small', 'small', 'small'];
    for (let i = 0; i < count; ++i) {
      const choice = this.roll(names.length + always.length);
      await this.happenings[names[choice] ?? 'small']();
    }
    await this.happenings.small(); // so that every backup has something to take
  }
  // Everything once.
  async liveThroughAll() {
    for (const name of Object.keys(this.happenings)) await this.happenings[name]();
    await this.happenings.small();
  }
}

// Backed up by epochfs, the newest epoch must be the database's newest that left a trace.
class WrittenDatabase extends LiveDatabase {
  words(kind, repository) {
    const words = ['backup', this.file, repository, '--format', 'grafeo-v2', '--json'];
    return kind === 'Full' ? [...words, '--full'] : words;
  }
  backUp(kind, repository) {
    const report = epochfs(this.words(kind, repository));
    let newest = this.epoch();
    while (this.oracle.silent.has(newest)) --newest;
    if (report.epoch < newest || report.epoch > this.epoch())
      throw new Error(`backed up to epoch ${report.epoch} of ${newest}`);
  }
}

const packedWords = (file, kind, repository) => {
  const words = ['backup', file, repository, '--json', '--cache-dir', `${repository}.cache`];
  return kind === 'Full' ? [...words, '--full'] : words;
};

class PackedDatabase extends WrittenDatabase {
  words = (kind, repository) => packedWords(this.file, kind, repository);
}

class BusyDatabase extends WrittenDatabase {
  async backUp(kind, repository) {
    const before = this.epoch();
    const words = this.words(kind, repository);
    let report = null;
    const ended = promisify(execFile)(process.env.EPOCHFS_COMMAND, words).finally(() => {
      report = ended;
    });
    for (let commits = 0; report === null; ++commits) {
      // As fast as it can at first; then the backup is to get on, however slow the machine is.
      if (commits >= 16) await new Promise((resume) => setTimeout(resume, 50));
      await (this.roll(4) === 0 ? this.happenings.large() : this.happenings.small());
      if (this.roll(3) === 0) this.database.walCheckpoint();
    }
    const { epoch } = JSON.parse((await report).stdout);
    if (epoch < before) throw new Error(`backed up to epoch ${epoch}, begun at ${before}`);
  }
}

class PackedBusyDatabase extends BusyDatabase {
  words = (kind, repository) => packedWords(this.file, kind, repository);
}

class TurnsDatabase extends WrittenDatabase {
  turn = 0;
  backUp(kind, repository) {
    if (++this.turn % 2 === 1) {
      LiveDatabase.prototype.backUp.call(this, kind, repository);
      return;
    }
    this.database.close();
    super.backUp(kind, repository);
    this.database = GrafeoDB.open(this.file);
  }
}

async function backUpAll(live, repository) {
  await live.backUp('Full', repository);
  await live.liveThroughAll();
  await live.backUp('Incremental', repository);
  await live.happenings.index(); // alone: the incremental ends before it starts
  await live.backUp('Incremental', repository);
  for (const kind of 'iiifiiifii') {
    await live.live(6);
    await live.backUp(kind === 'f' ? 'Full' : 'Incremental', repository);
  }
  live.database.close();
}

async function makeV2(directory, roll, oracle, Kind = LiveDatabase) {
  fs.mkdirSync(path.join(directory, 'live'));
  const live = new Kind(path.join(directory, 'live', 'shop.grafeo'), roll, oracle);
  await live.remember(); // the empty database, which is an epoch too
  await live.live(5);
  await backUpAll(live, path.join(directory, 'repo'));
}

// --------------------------------------------------------------------------------- v1: by hand

class HandMade {
  constructor(repository, roll, oracle) {
    Object.assign(this, { repository, roll, oracle });
    Object.assign(this, { things: new Map(), ties: [], nextKey: 0, epoch: 0, transaction: 1 });
    Object.assign(this, { log: [], segments: [], time: 1_700_000_000_000, isTransactionOpen: false });
    fs.mkdirSync(repository);
  }

  addThing(text) {
    const thing = { key: this.nextKey++, value: this.roll(1e6), text };
    this.things.set(thing.key, thing);
    this.log.push(v1.log.createNode(thing.key, 'Thing'));
    for (const [name, what] of Object.entries(thing))
      this.log.push(v1.log.setNode(thing.key, name, what));
  }
  change() {
    const keys = [...this.things.keys()];
    const some = () => keys[this.roll(keys.length)];
    const choice = keys.length < 3 ? 0 : this.roll(10);
    if (choice < 5) return this.addThing(`text ${this.roll(1000)}`);
    if (choice < 7) {
      const thing = this.things.get(some());
      thing.value = this.roll(1e6);
      return this.log.push(v1.log.setNode(thing.key, 'value', thing.value));
    }
    if (choice < 9) {
      const tie = { id: this.ties.length, from: some(), to: some(), weight: this.roll(100) };
      this.ties.push(tie);
      return this.log.push(
        v1.log.createEdge(tie.id, tie.from, tie.to, 'TIE'),
        v1.log.setEdge(tie.id, 'weight', tie.weight)
      );
    }
    const free = keys.filter((key) => !this.ties.some((t) => t.from === key || t.to === key));
    if (free.length === 0) return this.addThing('');
    this.things.delete(free[0]);
    return this.log.push(v1.log.deleteNode(free[0]));
  }
  commit() {
    if (this.isTransactionOpen) this.abort();
    for (let i = 0; i <= this.roll(3); ++i) this.change();
    this.log.push(v1.log.commit(++this.transaction), v1.log.epoch(++this.epoch));
    this.oracle.record(this.epoch, answerOf([...this.things.values()], this.ties));
  }
  // Data of a transaction that never commits; it stays open until it is aborted.
  openTransaction() {
    this.log.push(v1.log.createNode(900_000 + this.transaction, 'Thing'));
    this.isTransactionOpen = true;
  }
  abort() {
    this.log.push(v1.log.abort(++this.transaction));
    this.isTransactionOpen = false;
  }
  // A transaction whose first records are in one incremental and whose commit is in the next.
  commitOverBackup() {
    if (this.isTransactionOpen) this.abort();
    this.addThing('begun before the backup');
    this.backUp('Incremental');
    this.commit();
  }

  backUp(kind) {
    const name = kind === 'Full' ? ['backup_full_', '.grafeo'] : ['backup_incr_', '.wal'];
    const filename = name.join(String(this.segments.length).padStart(4, '0'));
    const start = kind === 'Full' ? 0 : this.segments.at(-1).end_epoch + 1;
    const bytes = kind === 'Full' ? this.image() : v1.incremental(start, this.epoch, this.log);
    fs.writeFileSync(path.join(this.repository, filename), bytes);
    this.segments.push({
      kind,
      filename,
      start_epoch: start,
      end_epoch: this.epoch,
      checksum: v1.crc32(bytes),
      size_bytes: bytes.length,
      created_at_ms: (this.time += 60_000),
    });
    this.log = [];
    const manifest = path.join(this.repository, 'backup_manifest.json');
    fs.writeFileSync(manifest, v1.manifest(this.segments));
  }
  image() {
    this.isTransactionOpen = false; // what is open when an image is taken is not in it
    return v1.image({
      nodes: [...this.things.values()].map((thing) => ({
        id: thing.key,
        label: 'Thing',
        properties: thing,
      })),
      edges: this.ties.map(({ id, from, to, weight }) => ({
        id,
        from,
        to,
        type: 'TIE',
        properties: { weight },
      })),
      epoch: this.epoch,
      transaction: this.transaction,
      time: this.time,
    });
  }
}

function makeV1(directory, roll, oracle) {
  const made = new HandMade(path.join(directory, 'repo'), roll, oracle);
  const commit = (count) => {
    for (let i = 0; i < count; ++i) made.commit();
  };
  commit(4);
  made.backUp('Full');
  for (const kind of ['Incremental', 'Incremental', 'Full', 'Incremental', 'Incremental']) {
    commit(2 + roll(4));
    made.openTransaction();
    made.abort();
    commit(2);
    if (kind === 'Incremental') made.openTransaction(); // aborted in the file after it
    made.backUp(kind);
  }
  made.commitOverBackup();
  made.backUp('Incremental');
}

// A database as 0.5 leaves it when it is killed: an image, and the log since then.
class KilledV1 extends HandMade {
  constructor(directory, roll, oracle) {
    super(path.join(directory, 'repo'), roll, oracle);
    this.file = path.join(directory, 'live', 'shop.grafeo');
    fs.mkdirSync(path.dirname(this.file));
  }
  checkpoint() {
    if (this.isTransactionOpen) this.abort();
    this.log = [];
    fs.writeFileSync(this.file, this.image());
    fs.rmSync(`${this.file}.wal`, { recursive: true, force: true });
  }
  // Into the newest file of the log, or a new one.
  write(sequence) {
    fs.mkdirSync(`${this.file}.wal`, { recursive: true });
    const name = `wal_${String(sequence).padStart(8, '0')}.log`;
    fs.appendFileSync(path.join(`${this.file}.wal`, name), Buffer.concat(this.log));
    this.log = [];
  }
  backUp() {
    const report = epochfs(['backup', this.file, this.repository, '--format', 'grafeo-v1', '--json']);
    if (report.epoch !== this.epoch) throw new Error(`epoch ${report.epoch} of ${this.epoch}`);
    return report;
  }
}

function makeWrittenV1(directory, roll, oracle) {
  const live = new KilledV1(directory, roll, oracle);
  const commit = (count) => {
    for (let i = 0; i < count; ++i) live.commit();
  };
  const expectFull = (expected, report) => {
    if (report.wrote_full !== expected) throw new Error(`full: ${JSON.stringify(report)}`);
  };
  commit(3);
  live.checkpoint();
  expectFull(true, live.backUp()); // an image and no log
  commit(3);
  live.write(0);
  expectFull(false, live.backUp());
  commit(2);
  live.openTransaction(); // aborted behind the backup
  live.write(0);
  expectFull(false, live.backUp());
  commit(2);
  live.write(1);
  commit(1);
  live.addThing('begun before the backup, committed behind it');
  live.write(2);
  expectFull(false, live.backUp());
  commit(4);
  live.write(2);
  live.log.push(Buffer.from([9, 0, 0, 0, 35])); // the beginning of a frame
  live.write(2);
  expectFull(false, live.backUp());
  live.checkpoint();
  commit(2);
  live.write(0);
  expectFull(true, live.backUp()); // the log began anew
}

// A v1 directory whose newest epoch is restored, opened by 0.6, and backed up into it again.
async function makeContinued(directory, roll, oracle) {
  makeV1(directory, roll, oracle);
  const repository = path.join(directory, 'repo');
  const file = path.join(directory, 'live', 'shop.grafeo');
  fs.mkdirSync(path.dirname(file));
  GrafeoDB.restoreToEpoch(repository, Math.max(...oracle.epochs.keys()), file);
  const live = new LiveDatabase(file, roll, oracle);
  live.nextKey = 100_000;
  await live.happenings.small();
  await backUpAll(live, repository);
}

const MAKERS = {
  v1: makeV1,
  v2: makeV2,
  continued: makeContinued,
  'written-v1': makeWrittenV1,
  written: (...args) => makeV2(...args, WrittenDatabase),
  busy: (...args) => makeV2(...args, BusyDatabase),
  packed: (...args) => makeV2(...args, PackedDatabase),
  'packed-busy': (...args) => makeV2(...args, PackedBusyDatabase),
  turns: (...args) => makeV2(...args, TurnsDatabase),
};
const [what, directory, seed] = process.argv.slice(2);
if (!(what in MAKERS) || !directory || !/^\d+$/.test(seed ?? '')) {
  console.error(`usage: make.mjs ${Object.keys(MAKERS).join('|')} DIRECTORY SEED`);
  process.exit(2);
}
fs.mkdirSync(directory);
const oracle = new Oracle();
await MAKERS[what](directory, dice(seed), oracle);
console.log(`${oracle.save(directory)} epochs`);
