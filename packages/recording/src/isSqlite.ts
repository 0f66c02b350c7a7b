/** Whether a file begins as SQLite files do. Opening one that is something else would say so only at the first query. */
import { closeSync, openSync, readSync } from "node:fs"

export const isSqlite = (file: string): boolean => {
  const header = Buffer.alloc(16)
  const fd = openSync(file, "r")
  try {
    readSync(fd, header, 0, 16, 0)
  } finally {
    closeSync(fd)
  }
  return header.toString("latin1").startsWith("SQLite format 3")
}
