/** `@wmo/arena`: memory that is cold is held compressed, and is decompressed before it is touched. */
export { Arena, type ArenaOptions, type ArenaStats, leastChunkBytes, mostChunkBytes } from "./Arena.ts"
export { ArenaError, type ArenaReason } from "./ArenaError.ts"
export type { Codec } from "./Codec.ts"
export { builtInCodecs, loadCodec } from "./codecs/loadCodec.ts"
export type { Counters } from "./Counters.ts"
export { loadMemory, OffHeap, type OffHeapMemory, type Reservation } from "./memory/OffHeap.ts"
export { buffers } from "./memory/buffers.ts"
export type { PoolStats } from "./pool/SlabPool.ts"
export type { ChunkStateName } from "./region/ChunkTable.ts"
export type { ChunkView } from "./region/ChunkView.ts"
export type { TouchListener } from "./region/Chunks.ts"
export type { CompressJob } from "./region/Jobs.ts"
export type { Region, RegionStats } from "./region/Region.ts"
export type { CompressOutcome } from "./Store.ts"
export { ObjectStore, type ObjectStoreStats } from "./ObjectStore.ts"
export { fileBytes, type SampleKind, sampleData, sampleKinds, sampleSummaries } from "./sampleData.ts"
export { type PublishedStats, type PublishOptions, publishStats, readPublishedStats } from "./publishStats.ts"
export { attempt, openArena, scopedView } from "./openArena.ts"
export {
  type ArenaController,
  controlArena,
  type ControllerOptions,
  type ControllerStatus,
  type RegionStatus
} from "./controller/ArenaController.ts"
export type { Decision } from "./controller/Decision.ts"
export { type ControllerSettings, defaultSettings } from "./controller/Settings.ts"
export { type Compressor, type CompressorResult, openThreadCompressor } from "./workers/ThreadCompressor.ts"
export * from "./predictors/index.ts"
export * from "./process/index.ts"
