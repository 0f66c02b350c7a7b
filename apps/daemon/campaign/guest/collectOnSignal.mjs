/** Preloaded into the soak's wmod (`node --expose-gc --import`): collects all garbage on SIGUSR2, so that what is left is what is held. */
process.on("SIGUSR2", () => globalThis.gc())
