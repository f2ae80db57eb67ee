// What a phone or a gate keeps, in IndexedDB: named values, the visits of gates by [gate, sequence], and the codes that
// opened a venue by [venue, code id]. Keys made non-extractable stay so there.

const DATABASE = "suizheng", VERSION = 2, VALUES = "values", TABLES = [VALUES, "visits", "seen"];

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, VERSION);
    request.onupgradeneeded = () => {
      for (const name of TABLES) if (!request.result.objectStoreNames.contains(name)) request.result.createObjectStore(name);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Everything that `act(table)` asks for, or nothing: `table` finds a table by its name. What the returned request found.
// A write counts once this resolves: it is on the disk then.
export async function transact(tables, mode, act) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(tables, mode, { durability: "strict" });
      const request = act((name) => transaction.objectStore(name));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export const get = (name) => transact([VALUES], "readonly", (table) => table(VALUES).get(name));
export const put = (name, value) => transact([VALUES], "readwrite", (table) => table(VALUES).put(value, name));
export const remove = (name) => transact([VALUES], "readwrite", (table) => table(VALUES).delete(name));

// Every key [owner, …] of a table of pairs.
export const keysOf = (owner, from = -Infinity, to = []) => IDBKeyRange.bound([owner, from], [owner, to]);
