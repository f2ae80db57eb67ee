// What a phone or a gate keeps: named values in IndexedDB. Keys made non-extractable stay so there.

const DATABASE = "suizheng", TABLE = "values";

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function transact(mode, act) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, mode, { durability: "strict" });
      const request = act(transaction.objectStore(TABLE));
      // A write counts once its transaction is complete.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export const get = (name) => transact("readonly", (table) => table.get(name));
export const put = (name, value) => transact("readwrite", (table) => table.put(value, name));
export const remove = (name) => transact("readwrite", (table) => table.delete(name));
