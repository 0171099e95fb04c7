// Does something to a database, word by word:
//
//   node live.mjs FILE WORD...
//
// commit:N      N transactions (the database is created when it is not there)
// checkpoint    what the log holds goes into the image
// close         closes it; what follows opens it again
// full:DIR      the engine's own backups
// incremental:DIR
// restore:DIR:N the engine's own restore of epoch N to FILE
// crash         the process dies with the database open
// hold          stays, with the database open, until it is killed; says `holding`
// count         says how many things there are

import fs from 'node:fs';
import { GrafeoDB, ask } from './engine.mjs';

const [file, ...words] = process.argv.slice(2);
let database = null;
const open = () =>
  (database ??= fs.existsSync(file) ? GrafeoDB.open(file) : GrafeoDB.create(file));

const ACTIONS = {
  commit: async (count) => {
    for (let i = 0; i < Number(count); ++i)
      await open().execute(`INSERT (:Thing {key: ${Date.now()}, value: ${i}, text: 'live'})`);
  },
  checkpoint: () => open().walCheckpoint(),
  close: () => {
    open().close();
    database = null;
  },
  full: (directory) => open().backupFull(directory),
  incremental: (directory) => open().backupIncremental(directory),
  restore: (directory, epoch) => GrafeoDB.restoreToEpoch(directory, Number(epoch), file),
  crash: () => process.kill(process.pid, 'SIGKILL'),
  hold: () => {
    open();
    console.log('holding');
    return new Promise((resolve) => setTimeout(resolve, 2 ** 30));
  },
  count: async () => console.log((await ask(open())).nodes),
};

for (const word of words) {
  const [name, ...parameters] = word.split(':');
  await ACTIONS[name](...parameters);
}
if (database) database.close();
